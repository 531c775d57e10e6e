"""SIGKILL of a process of ours loses no accepted job and no fire time, and records no run twice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from loadtests.sink.process import SinkProcess
from tests.crash.story import Stories
from tests.processes import System, TocsinProcess, runs_of, wait_until


@pytest.mark.promise("dispatcher dies")
@pytest.mark.parametrize("name", ["dispatcher", "worker", "clock"])
def test_the_others_carry_on_when_one_is_killed(crowd: System, stories: Stories, name: str) -> None:
    stories.survive(kill=crowd.newest(name).kill, heal=lambda: None)


@pytest.mark.promise("worker dies")
def test_all_dispatchers_and_workers_may_die_at_once(crowd: System, stories: Stories) -> None:
    def kill() -> None:
        for process in crowd.every("dispatcher") + crowd.every("worker"):
            process.kill()

    def heal() -> None:
        crowd.start("dispatcher", "worker")

    stories.survive(kill, heal)


@pytest.mark.parametrize("end", [TocsinProcess.kill, TocsinProcess.stop], ids=["kill", "stop"])
def test_a_claimed_run_does_not_ring_beyond_its_window_when_all_were_down(
    crowd: System, sink: SinkProcess, end: Callable[[TocsinProcess], object]
) -> None:
    path = f"/ok?{uuid4()}"
    body = {
        "schedule": {"after": 4.5},
        "target": {"type": "http", "url": sink.url + path},
        "catchup": {"window": 0},
    }
    with crowd.client("too late") as client:
        job = client.post("/jobs", json=body).json()
        due = datetime.fromisoformat(job["next_fire_at"])

        def state() -> object:
            runs = runs_of(client, job["id"])
            return runs[0]["state"] if runs else None

        wait_until(lambda: state() == "queued", what="a worker has it")
        for process in crowd.every("dispatcher") + crowd.every("worker"):
            end(process)
        wait_until(lambda: datetime.now(UTC) > due + timedelta(seconds=2), what="it is late")
        crowd.start("dispatcher", "worker")
        wait_until(lambda: state() == "missed", what="missed")
        ledger = client.get(f"/jobs/{job['id']}/ledger").json()["items"]
        assert [entry["outcome"] for entry in ledger] == ["missed"]
        assert not any(one.path == path for one in sink.report().arrivals)


def test_the_api_may_die_and_come_back(crowd: System, stories: Stories) -> None:
    stories.survive(kill=crowd.newest("api").kill, heal=lambda: crowd.start("api"))


@pytest.mark.promise("worker stops")
def test_a_worker_that_is_asked_to_stop_leaves_nothing_behind(
    crowd: System, stories: Stories
) -> None:
    stopped: list[int] = []
    worker = crowd.newest("worker")
    stories.survive(kill=lambda: stopped.append(worker.stop()), heal=lambda: None)
    assert stopped == [0]
    assert "worker.stopped" in worker.text


@pytest.mark.promise("statistics")
def test_in_the_end_each_run_is_counted_once(crowd: System, stories: Stories) -> None:
    assert crowd.every("clock")
    stories.are_counted()
