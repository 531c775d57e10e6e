"""What we rely on in the insides of prometheus_client."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import CHECKOUT

pytestmark = pytest.mark.usefixtures("starts_processes")

# The library looks its dict up when the first metric is made, and reads files that we write.
COUNT = """
from app.observability.metric_files import keep_in_memory, SharedMetrics
keep_in_memory()
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
Counter("runs", "Runs.", ["state"]).labels("failed").inc(3)
Gauge("waiting", "Waiting.", multiprocess_mode="livesum").set(4)
Histogram("seconds", "Seconds.").observe(1)
registry = CollectorRegistry()
SharedMetrics(registry)
print(generate_latest(registry).decode())
"""


def test_it_takes_our_dict_and_reads_what_that_writes(tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-c", COUNT],
        cwd=CHECKOUT,
        env={"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert 'runs_total{state="failed"} 3.0' in told
    assert "waiting 4.0" in told
    assert "seconds_count 1.0" in told
