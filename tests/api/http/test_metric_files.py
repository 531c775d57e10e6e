"""Metrics kill no process, and the dead are not counted."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from app.observability.metric_files import SharedMetrics
from tests.processes import CHECKOUT, wait_until

# It goes on when it is asked to, with more metrics than a page holds.
COUNTS = """
import resource, sys
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
if "no files" in sys.argv:
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
from app.observability.metric_files import keep_in_memory
keep_in_memory()
from prometheus_client import Counter, Gauge
Gauge("tocsin_ringer_waiting_runs", "Waiting.", multiprocess_mode="livesum").set(7)
runs = Counter("tocsin_runs", "Runs.", ["number"])
for line in sys.stdin:
    for number in range(3_000):
        runs.labels(number).inc()
    print("goes on", flush=True)
    if line == "room\\n":
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
"""


class Counting:
    """A process that counts."""

    def __init__(self, directory: Path, *words: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", COUNTS, *words],
            cwd=CHECKOUT,
            env={"PROMETHEUS_MULTIPROC_DIR": str(directory)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def count(self, line: str = "more") -> None:
        """Have it count once more, and see that it lives."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        while (said := self.process.stdout.readline()) and said != "goes on\n":
            pass
        assert said == "goes on\n", f"it ended: {self.process.wait(10)}"


@contextmanager
def counting(directory: Path, *words: str) -> Iterator[Counting]:
    made = Counting(directory, *words)
    try:
        yield made
    finally:
        made.process.kill()
        made.process.communicate(timeout=10)


def scraped(directory: Path) -> str:
    registry = CollectorRegistry()
    SharedMetrics(registry, str(directory))  # type: ignore[no-untyped-call]
    return generate_latest(registry).decode()


def shows(directory: Path, sample: str) -> None:
    wait_until(lambda: f"{sample}\n" in scraped(directory), what=sample)


@pytest.mark.usefixtures("starts_processes")
def test_a_process_may_write_no_file(tmp_path: Path) -> None:
    with counting(tmp_path, "no files") as process:
        process.count()
        assert scraped(tmp_path) == ""
        process.count("room")
        shows(tmp_path, 'tocsin_runs_total{number="2999"} 2.0')


@pytest.fixture
def small(starts_processes: None, tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB."""
    mounting = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(tmp_path)]
    if subprocess.run(mounting, capture_output=True, check=False).returncode != 0:
        pytest.skip("Only root can mount a small file system.")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


@pytest.mark.promise("metrics")
def test_the_disk_is_full(small: Path) -> None:
    with counting(small) as before, (small / "large").open("wb", buffering=0) as large:
        shows(small, "tocsin_ringer_waiting_runs 7.0")
        with suppress(OSError):
            while large.write(bytes(4096)):
                pass
        with counting(small) as after:
            for process in (before, after):
                process.count()
            large.truncate(0)
            shows(small, 'tocsin_runs_total{number="2999"} 2.0')


@pytest.mark.promise("metrics")
@pytest.mark.usefixtures("starts_processes")
def test_what_a_killed_process_held_is_held_no_more(tmp_path: Path) -> None:
    with counting(tmp_path) as one, counting(tmp_path) as other:
        one.count()
        other.count()
        shows(tmp_path, "tocsin_ringer_waiting_runs 14.0")
        shows(tmp_path, 'tocsin_runs_total{number="0"} 2.0')
        one.process.kill()
        one.process.wait(10)
        shows(tmp_path, "tocsin_ringer_waiting_runs 7.0")
        # What it did, it has done.
        assert 'tocsin_runs_total{number="0"} 2.0' in scraped(tmp_path)
