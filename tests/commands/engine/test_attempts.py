"""Attempts begin and end."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import msgspec
import pytest

from commands.firing.finish_attempts import MAX_ABANDONED_BEYOND
from commands.firing.rescue_runs import RescueRuns, rescue_runs
from commands.runs.cancel_runs import CancelRun, cancel_run
from domain.filters.job_filter import Order
from domain.filters.run_filter import RunFilter
from domain.policies.retry import RetryPolicy
from domain.runs.run import Outcome, RunState
from queries.runs.get_run import GetRun, get_run
from queries.runs.list_runs import list_runs
from queries.runs.list_service_runs import list_service_runs
from queries.runs.pages import RunQuery
from tests.commands.firing import (
    DUE,
    LATER,
    OTHER_WORKER,
    SECOND,
    STEADY,
    WORKER,
    Firing,
    ended,
    failed,
    succeeded,
)

ONCE = msgspec.structs.replace(STEADY, max_attempts=1)


@pytest.mark.promise("run states")
async def test_an_attempt_begins_once_however_often_its_worker_asks(firing: Firing):
    run = await firing.queued_run()
    answers = [await firing.start(run) for _ in range(3)]
    assert answers == [{run.id}] * 3
    row = await firing.run(run.id)
    assert (row["state"], row["attempt_count"]) == ("running", 1)
    assert row["attempt_started_at"] == DUE


async def test_a_run_that_rings_started_when_its_first_attempt_did(firing: Firing):
    late = 2 * SECOND
    run = await firing.queued_run()
    await firing.start(run, now=DUE + late)
    query = GetRun(caller=firing.caller, run_id=run.id, now=DUE)
    ringing, (attempt,) = await get_run(query, firing.shards)
    assert ringing.started_at == attempt.started_at == DUE + late
    assert (ringing.lateness_ms, ringing.finished_at) == (2_000, None)
    chosen = RunFilter(job_id=run.job_id)
    pages = RunQuery(
        service_id=run.service_id, chosen=chosen, order=Order.DESC, limit=1, after=None
    )
    assert (await list_runs(pages, firing.shards)).runs == [ringing]
    assert (await list_service_runs(pages, firing.shards)).runs == [ringing]

    first = msgspec.structs.replace(failed(run), started_at=DUE + late)
    await firing.finish(first)
    await firing.next_attempt(run)
    retried, _ = await get_run(query, firing.shards)
    assert (retried.state, retried.started_at) == (RunState.RUNNING, DUE + late)
    assert retried.lateness_ms == 2_000


async def test_a_worker_cannot_begin_what_another_holds(firing: Firing):
    run = await firing.queued_run(OTHER_WORKER)
    assert await firing.start(run, by=WORKER) == set()
    assert (await firing.run(run.id))["state"] == "queued"


async def test_an_attempt_that_ended_does_not_begin_again(firing: Firing):
    run = await firing.retrying_run()
    assert await firing.start(run) == set()
    row = await firing.run(run.id)
    assert (row["state"], row["attempt_count"]) == ("retrying", 1)


async def test_of_a_batch_only_what_still_waits_begins(firing: Firing):
    waiting, other = await firing.queued_run(), await firing.queued_run(OTHER_WORKER)
    assert await firing.start(waiting, other) == {waiting.id}


async def test_a_success_ends_the_run(firing: Firing):
    run = await firing.running_run()
    attempt = msgspec.structs.replace(
        succeeded(run), started_at=DUE + timedelta(milliseconds=7), status_code=204
    )
    assert await firing.finish(attempt) == {run.id}
    row = await firing.run(run.id)
    assert (row["state"], row["open"], row["held_by"]) == ("succeeded", False, None)
    assert row["started_at"] == DUE + timedelta(milliseconds=7)
    assert row["finished_at"] == DUE + SECOND
    assert row["lateness_ms"] == pytest.approx(7.0)
    (stored,) = await firing.rows("SELECT * FROM attempts WHERE run_id = $1", run.id)
    assert (stored["number"], stored["outcome"], stored["status_code"]) == (1, "succeeded", 204)


async def test_a_failure_is_retried_later_and_the_last_one_ends_the_run(firing: Firing):
    run = await firing.running_run(
        retry=RetryPolicy(max_attempts=2, min_backoff=60 * SECOND, jitter=False)
    )
    await firing.finish(failed(run))
    row = await firing.run(run.id)
    assert (row["state"], row["open"], row["held_by"]) == ("retrying", True, None)
    assert row["due_at"] == row["retry_at"] == DUE + 61 * SECOND
    assert row["finished_at"] is None
    again = await firing.next_attempt(run)
    await firing.finish(failed(again))
    row = await firing.run(run.id)
    assert (row["state"], row["open"], row["held_by"]) == ("failed", False, None)
    assert row["retry_at"] is None
    assert row["finished_at"] == DUE + 62 * SECOND
    assert await firing.outcomes(run.id) == ["failed", "failed"]


@pytest.mark.promise("two instants")
async def test_lateness_is_that_of_the_first_attempt(firing: Firing):
    run = await firing.retrying_run()
    again = await firing.next_attempt(run)
    late = msgspec.structs.replace(succeeded(again), started_at=again.due_at + SECOND)
    await firing.finish(late)
    row = await firing.run(run.id)
    assert row["lateness_ms"] == 0.0
    assert row["started_at"] == DUE
    assert row["scheduled_for"] == DUE


async def test_a_timed_out_attempt_counts_as_a_failed_one(firing: Firing):
    run = await firing.running_run(retry=ONCE)
    await firing.finish(ended(run, Outcome.TIMED_OUT))
    assert (await firing.run(run.id))["state"] == "failed"
    assert await firing.outcomes(run.id) == ["timed_out"]


async def test_recording_twice_or_twice_at_once_changes_nothing(firing: Firing):
    run = await firing.running_run()
    recorded = await asyncio.gather(*(firing.finish(failed(run)) for _ in range(5)))
    assert sorted(recorded, key=len) == [set()] * 4 + [{run.id}]
    before = await firing.run(run.id)
    assert await firing.finish(succeeded(run)) == set()
    assert await firing.run(run.id) == before
    assert await firing.outcomes(run.id) == ["failed"]


@pytest.mark.promise("fenced attempts", "run states")
async def test_a_late_worker_cannot_finish_someone_elses_attempt(firing: Firing):
    run = await firing.running_run()
    await firing.finish(ended(run, Outcome.ABANDONED))
    again = await firing.next_attempt(run, by=OTHER_WORKER)
    before = await firing.run(run.id)
    assert await firing.finish(succeeded(run)) == set()
    assert await firing.finish(succeeded(again, by=WORKER)) == set()
    assert await firing.run(run.id) == before
    assert await firing.finish(succeeded(again, by=OTHER_WORKER)) == {run.id}
    assert await firing.outcomes(run.id) == ["abandoned", "succeeded"]


@pytest.mark.promise("run states")
async def test_a_worker_cannot_finish_its_own_newer_attempt_with_an_older_one(firing: Firing):
    run = await firing.retrying_run()
    again = await firing.next_attempt(run)
    assert await firing.finish(succeeded(run)) == set()
    assert (await firing.run(run.id))["state"] == "running"
    assert await firing.finish(succeeded(again)) == {run.id}


async def test_of_a_batch_only_what_still_rings_is_recorded(firing: Firing):
    ringing, other = await firing.running_run(), await firing.retrying_run()
    assert await firing.finish(succeeded(ringing), succeeded(other)) == {ringing.id}
    assert (await firing.run(other.id))["state"] == "retrying"


async def test_recording_nothing_is_nothing(firing: Firing):
    assert await firing.finish() == set()


async def test_an_abandoned_attempt_is_tried_again_at_once_though_it_was_the_last(
    firing: Firing,
):
    run = await firing.running_run(retry=ONCE)
    await firing.finish(ended(run, Outcome.ABANDONED))
    row = await firing.run(run.id)
    assert (row["state"], row["due_at"]) == ("retrying", DUE + SECOND)


async def test_abandoned_attempts_end_a_run_only_when_they_keep_happening(firing: Firing):
    run = await firing.running_run(retry=ONCE)
    for _ in range(MAX_ABANDONED_BEYOND):
        await firing.finish(ended(run, Outcome.ABANDONED))
        run = await firing.next_attempt(run)
    assert run.number == 1 + MAX_ABANDONED_BEYOND
    await firing.finish(ended(run, Outcome.ABANDONED))
    assert (await firing.run(run.id))["state"] == "failed"
    assert await firing.outcomes(run.id) == ["abandoned"] * (1 + MAX_ABANDONED_BEYOND)


async def test_an_answer_after_an_abandoned_attempt_is_the_last(firing: Firing):
    run = await firing.running_run(retry=ONCE)
    await firing.finish(ended(run, Outcome.ABANDONED))
    again = await firing.next_attempt(run)
    await firing.finish(failed(again))
    assert (await firing.run(run.id))["state"] == "failed"


@pytest.mark.parametrize("end", ["rescued", "cancelled"])
async def test_no_run_that_was_cut_off_began_before_it_was_due(firing: Firing, end: str):
    """Postgres knows a moment before it is due that it begins (workers/worker/attempts.py)."""
    run = await firing.queued_run()
    early = DUE - timedelta(milliseconds=5)
    assert await firing.start(run, now=early) == {run.id}
    if end == "rescued":
        await rescue_runs(RescueRuns(now=LATER), firing.shard)
    else:
        command = CancelRun(caller=firing.caller, run_id=run.id, now=early)
        await cancel_run(command, firing.shards)
    row = await firing.run(run.id)
    assert (row["started_at"], row["lateness_ms"]) == (DUE, 0)
    (attempt,) = await firing.rows("SELECT * FROM attempts WHERE run_id = $1", run.id)
    assert attempt["started_at"] == DUE
    assert attempt["finished_at"] >= DUE
