"""Memory is watched as long as the load lasts, and shown beside what came of it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from loadtests.measures.memory_watch import Sample, add_memory, memory_table, watched_memory
from tests.processes import wait_until


def test_takes_samples_as_long_as_it_lasts() -> None:
    with watched_memory(os.getpid(), seconds=0.01) as samples:
        wait_until(lambda: len(samples) >= 3)

    minutes = [one.minutes for one in samples]
    assert minutes == sorted(minutes)
    assert all(one.megabytes["up"] > 1 for one in samples)


@pytest.mark.usefixtures("starts_processes")
def test_ends_by_itself_when_what_it_watches_is_gone() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()

    with watched_memory(gone.pid) as samples:
        pass

    assert samples == []
    assert memory_table([]).row_count == 0


def test_shown_and_kept_beside_the_results(tmp_path: Path) -> None:
    megabytes = (10.0, 30.0, 20.0)
    samples = [Sample(minutes=n, megabytes={"api": mb}) for n, mb in enumerate(megabytes)]
    path = tmp_path / "r.json"
    path.write_text(json.dumps({"shape": "soak"}))

    add_memory(samples, path)

    console = Console(width=100)
    with console.capture() as shown:
        console.print(memory_table(samples))
    cells = shown.get().splitlines()[3].replace("│", " ").split()
    assert cells == ["api", "10.0", "30.0", "20.0", "30.0"]
    results = json.loads(path.read_text())
    assert results["shape"] == "soak"
    assert [one["megabytes"]["api"] for one in results["memory"]] == list(megabytes)
