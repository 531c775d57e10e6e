"""SIGKILL of a process of ours loses no accepted job and no fire time, and records no run twice."""

from __future__ import annotations

import pytest

from loadtests.sink_process import SinkProcess
from tests.crash.story import survive
from tests.processes import System


@pytest.mark.parametrize("name", ["dispatcher", "worker", "clock"])
def test_the_others_carry_on_when_one_is_killed(
    crowd: System, sink: SinkProcess, name: str
) -> None:
    survive(crowd, sink, kill=crowd.newest(name).kill, heal=lambda: None)


def test_all_dispatchers_and_workers_may_die_at_once(crowd: System, sink: SinkProcess) -> None:
    def kill() -> None:
        for process in crowd.every("dispatcher") + crowd.every("worker"):
            process.kill()

    def heal() -> None:
        crowd.start("dispatcher", "worker")

    survive(crowd, sink, kill, heal)


def test_the_api_may_die_and_come_back(crowd: System, sink: SinkProcess) -> None:
    survive(crowd, sink, kill=crowd.newest("api").kill, heal=lambda: crowd.start("api"))


def test_a_worker_that_is_asked_to_stop_leaves_nothing_behind(
    crowd: System, sink: SinkProcess
) -> None:
    stopped: list[int] = []
    worker = crowd.newest("worker")
    survive(crowd, sink, kill=lambda: stopped.append(worker.stop()), heal=lambda: None)
    assert stopped == [0]
    assert "worker.stopped" in worker.text
