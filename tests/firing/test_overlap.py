"""Jobs that fire faster than their target answers, on two dispatchers and two workers."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import uuid4

import httpx
import pytest

from domain.policies.overlap import Overlap
from loadtests.sink.process import SinkProcess
from tests.firing.target import created
from tests.processes import runs_of, wait_until

SLOW_MS = 2_200
MILLISECOND = timedelta(milliseconds=1)
TAKING_TURNS = [policy for policy in Overlap if policy is not Overlap.ALLOW_ALL]
# What must have been seen of each before the story is over.
ENOUGH = {
    Overlap.SKIP: {"succeeded": 2, "skipped_overlap": 2},
    Overlap.BUFFER_ONE: {"succeeded": 3, "skipped_overlap": 1},
    Overlap.BUFFER_ALL: {"succeeded": 3, "scheduled": 2},
    Overlap.CANCEL_OTHER: {"cancelled": 4},
    Overlap.TERMINATE_OTHER: {"cancelled": 4},
    Overlap.ALLOW_ALL: {"succeeded": 4},
}
Runs = list[dict[str, Any]]


@pytest.fixture(scope="module")
def stories(caller_of_pairs: httpx.Client, sink: SinkProcess) -> dict[Overlap, Runs]:
    """The runs of a job of each policy, oldest first, once enough has happened."""
    client = caller_of_pairs
    url = f"{sink.url}/slow/{SLOW_MS}?{uuid4()}"
    jobs = {
        policy: created(
            client,
            {
                "schedule": {"every": 1},
                "target": {"type": "http", "url": url},
                "overlap": policy,
            },
        )
        for policy in Overlap
    }
    for policy, job_id in jobs.items():
        wait_until(
            lambda job_id=job_id, policy=policy: enough(client, job_id, policy),
            seconds=40,
            what=f"enough of {policy}",
        )
    told = {policy: runs_of(client, job_id)[::-1] for policy, job_id in jobs.items()}
    for job_id in jobs.values():
        client.delete(f"/jobs/{job_id}")
    return told


def enough(client: httpx.Client, job_id: str, policy: Overlap) -> bool:
    seen = states(runs_of(client, job_id))
    return all(seen[state] >= count for state, count in ENOUGH[policy].items())


def states(runs: Runs) -> Counter[str]:
    return Counter(run["state"] for run in runs)


def rung(runs: Runs) -> list[tuple[datetime, datetime]]:
    """When each run began and ended that rang and ended, in that order."""
    return sorted(
        (datetime.fromisoformat(run["started_at"]), datetime.fromisoformat(run["finished_at"]))
        for run in runs
        if run["started_at"] and run["finished_at"]
    )


@pytest.mark.promise("no overlap")
@pytest.mark.parametrize("policy", TAKING_TURNS)
def test_no_two_runs_of_a_job_ring_at_once(stories: dict[Overlap, Runs], policy: Overlap) -> None:
    for (_, ended), (began, _) in pairwise(rung(stories[policy])):
        assert began >= ended
    assert states(stories[policy])["running"] <= 1


@pytest.mark.parametrize("policy", Overlap)
def test_every_second_has_its_run(stories: dict[Overlap, Runs], policy: Overlap) -> None:
    instants = [datetime.fromisoformat(run["scheduled_for"]) for run in stories[policy]]
    assert {(later - earlier).total_seconds() for earlier, later in pairwise(instants)} == {1.0}


def test_runs_that_may_overlap_do(stories: dict[Overlap, Runs]) -> None:
    spans = rung(stories[Overlap.ALLOW_ALL])
    assert any(began < ended for (_, ended), (began, _) in pairwise(spans))
    assert states(stories[Overlap.ALLOW_ALL]).keys() <= {
        "succeeded", "running", "queued", "scheduled",
    }  # fmt: skip


def test_a_buffered_run_begins_when_the_one_before_it_ends(stories: dict[Overlap, Runs]) -> None:
    for policy in (Overlap.BUFFER_ONE, Overlap.BUFFER_ALL):
        gaps = [
            (began - ended).total_seconds()
            for (_, ended), (began, _) in pairwise(rung(stories[policy]))
        ]
        assert max(gaps) < 1.0


@pytest.mark.promise("order")
def test_buffered_runs_ring_in_order(stories: dict[Overlap, Runs]) -> None:
    seen = [run["state"] for run in stories[Overlap.BUFFER_ALL]]
    succeeded = seen.count("succeeded")
    assert seen[:succeeded] == ["succeeded"] * succeeded
    assert "skipped_overlap" not in seen


def test_a_wait_for_the_turn_is_not_told_as_lateness(stories: dict[Overlap, Runs]) -> None:
    ended = [run for run in stories[Overlap.BUFFER_ALL] if run["state"] == "succeeded"]
    waited = [run for run in ended if run["overlap_wait_ms"]]
    assert waited
    for before, run in pairwise(ended):
        due, started, freed = (
            datetime.fromisoformat(text)
            for text in (run["due_at"], run["started_at"], before["finished_at"])
        )
        if run in waited:
            assert run["overlap_wait_ms"] == pytest.approx((freed - due) / MILLISECOND, abs=0.01)
        late = (started - due) / MILLISECOND - (run["overlap_wait_ms"] or 0)
        assert run["lateness_ms"] == pytest.approx(late, abs=0.01)


@pytest.mark.parametrize("policy", [Overlap.CANCEL_OTHER, Overlap.TERMINATE_OTHER])
def test_each_run_ends_the_one_before(
    caller_of_pairs: httpx.Client, stories: dict[Overlap, Runs], policy: Overlap
) -> None:
    cancelled = [run for run in stories[policy] if run["state"] == "cancelled"]
    assert all("took its place" in run["reason"] for run in cancelled)
    for run in cancelled:
        detail = caller_of_pairs.get(f"/runs/{run['id']}").json()
        outcomes = [one["outcome"] for one in detail["attempts"]]
        assert outcomes in ([], ["abandoned"])
    assert any(run["attempt_count"] for run in cancelled)
