"""A run that is to end is cut off in whatever worker process it rings."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from loadtests.sink.process import SinkProcess
from tests.firing.hanging import HangingTarget
from tests.firing.target import FINAL, created, ended
from tests.processes import runs_of, wait_until

JOBS = 4  # so many that both workers are most likely to ring some
CUT_OFF_SECONDS = 5
AT_ONCE = 6
SLOW_MS = 1_500


@pytest.fixture
def target() -> Iterator[HangingTarget]:
    """A target that answers nobody."""
    with HangingTarget() as hanging:
        yield hanging


def ringing(client: httpx.Client, target: HangingTarget) -> dict[str, str]:
    """Jobs, each with a run that rings."""
    body = {
        "schedule": {"cron": "0 0 1 1 *"},
        "target": {"type": "http", "url": target.url, "timeout": 60},
    }
    jobs = [created(client, body) for _ in range(JOBS)]
    runs = {job_id: trigger(client, job_id) for job_id in jobs}
    wait_until(lambda: set(runs.values()) <= set(target.arrived), what="all ring")
    return runs


def trigger(client: httpx.Client, job_id: str, **how: Any) -> str:
    answer = client.post(f"/jobs/{job_id}/trigger", json=how)
    assert answer.status_code == 202, answer.text
    run_id: str = answer.json()["id"]
    return run_id


def read(client: httpx.Client, run_id: str) -> dict[str, Any]:
    run: dict[str, Any] = client.get(f"/runs/{run_id}").json()
    return run


@pytest.mark.parametrize("policy", ["cancel_other", "terminate_other"])
def test_a_run_whose_place_another_takes_is_cut_off(
    caller_of_pairs: httpx.Client, target: HangingTarget, policy: str
) -> None:
    client = caller_of_pairs
    first = ringing(client, target)
    later = {job_id: trigger(client, job_id, overlap=policy) for job_id in first}
    wait_until(
        lambda: set(first.values()) == set(target.hung_up),
        seconds=CUT_OFF_SECONDS,
        what="the first requests are cut off",
    )
    wait_until(lambda: set(later.values()) <= set(target.arrived), what="the others ring")
    for run_id in first.values():
        run = read(client, run_id)
        assert run["state"] == "cancelled"
        assert "took its place" in run["reason"]
        assert [one["outcome"] for one in run["attempts"]] == ["abandoned"]
    target.answer()
    for job_id, run_id in later.items():
        wait_until(lambda run_id=run_id: read(client, run_id)["state"] == "succeeded")
        assert len(runs_of(client, job_id)) == 2
    assert len(target.arrived) == 2 * JOBS


def test_a_cancelled_run_is_cut_off(caller_of_pairs: httpx.Client, target: HangingTarget) -> None:
    client = caller_of_pairs
    runs = ringing(client, target)
    for run_id in runs.values():
        answer = client.post(f"/runs/{run_id}/cancel")
        assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    wait_until(
        lambda: set(runs.values()) == set(target.hung_up),
        seconds=CUT_OFF_SECONDS,
        what="the requests are cut off",
    )
    # The jobs are free again.
    target.answer()
    for job_id, run_id in runs.items():
        again = trigger(client, job_id)
        wait_until(lambda again=again: read(client, again)["state"] == "succeeded")
        run = read(client, run_id)
        assert run["state"] == "cancelled"
        assert [one["outcome"] for one in run["attempts"]] == ["abandoned"]


def test_runs_are_cut_off_in_bulk(caller_of_pairs: httpx.Client, target: HangingTarget) -> None:
    client = caller_of_pairs
    runs = ringing(client, target)
    answer = client.post("/runs/cancel", json={"state": "running"})
    assert answer.json() == {"count": JOBS, "more": False}
    wait_until(
        lambda: set(runs.values()) == set(target.hung_up),
        seconds=CUT_OFF_SECONDS,
        what="the requests are cut off",
    )


def test_a_run_that_is_replayed_rings_anew(
    caller_of_pairs: httpx.Client, target: HangingTarget
) -> None:
    client = caller_of_pairs
    target.answer()
    body = {"schedule": {"after": 0}, "target": {"type": "http", "url": target.url}}
    run = ended(client, created(client, body))
    answer = client.post(f"/runs/{run['id']}/replay")
    assert answer.status_code == 202, answer.text
    again = answer.json()
    assert (again["trigger"], again["scheduled_for"]) == ("replay", run["scheduled_for"])
    wait_until(lambda: read(client, again["id"])["state"] == "succeeded")
    assert target.arrived == [run["id"], again["id"]]


@pytest.mark.promise("ends under contention")
def test_runs_that_cancel_each_other_at_once_all_end(
    caller_of_pairs: httpx.Client, sink: SinkProcess
) -> None:
    """While one ends, others ask it to: its end waits for them, and is not lost."""
    client = caller_of_pairs
    body = {
        "schedule": {"cron": "0 0 1 1 *"},
        "target": {"type": "http", "url": f"{sink.url}/slow/{SLOW_MS}"},
        "overlap": "cancel_other",
    }
    jobs = [created(client, body) for _ in range(JOBS)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for job_id in jobs:
            first = trigger(client, job_id)
            wait_until(lambda first=first: read(client, first)["state"] == "running", what="rings")
            list(pool.map(lambda _, job_id=job_id: trigger(client, job_id), range(AT_ONCE)))
    for job_id in jobs:
        wait_until(
            lambda job_id=job_id: {run["state"] for run in runs_of(client, job_id)} <= set(FINAL),
            what="all end",
        )
        assert [run["state"] for run in runs_of(client, job_id)].count("succeeded") >= 1
