"""Whatever ends runs writes an event of them, and nothing else does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

import msgspec
import pytest

from commands.backfills.cancel_backfill import CancelBackfill, cancel_backfill
from commands.backfills.continue_backfills import continue_backfills
from commands.backfills.start_backfill import StartBackfill, start_backfill
from commands.firing.give_back_runs import GiveBackRuns, give_back_runs
from commands.firing.rescue_runs import RescueRuns, rescue_runs
from commands.jobs.delete_job import DeleteJob, delete_job
from commands.runs.cancel_runs import CancelRun, CancelRuns, cancel_run, cancel_runs
from domain.filters.run_filter import RunFilter
from domain.policies.overlap import Overlap
from domain.policies.retry import RetryPolicy
from domain.runs.run import Outcome
from tests.commands.ended_runs import told_states, waiting
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
GONE = msgspec.structs.replace(ONCE, pause_on_failure=True)


async def begin_another(firing: Firing, job_id: UUID) -> bool:
    run = await firing.triggered(job_id, now=LATER + SECOND)
    return await firing.begin(run, by=OTHER_WORKER, now=LATER + SECOND)


async def success(firing: Firing) -> None:
    await firing.finish(succeeded(await firing.running_run()))


async def last_failure(firing: Firing) -> None:
    await firing.finish(failed(await firing.running_run(retry=ONCE)))


async def failure_that_pauses(firing: Firing) -> None:
    await firing.finish(failed(await firing.running_run(retry=GONE)))


async def success_after_a_retry(firing: Firing) -> None:
    run = await firing.retrying_run()
    await firing.finish(succeeded(await firing.next_attempt(run)))


async def cancel(firing: Firing, run_id: UUID) -> None:
    await cancel_run(CancelRun(caller=firing.caller, run_id=run_id, now=LATER), firing.shards)


async def cancelling_what_waits(firing: Firing) -> None:
    await cancel(firing, (await firing.queued_run()).id)


async def cancelling_what_rings(firing: Firing) -> None:
    run = await firing.running_run()
    await cancel(firing, run.id)
    await firing.finish(succeeded(run))


async def cancelling_twice(firing: Firing) -> None:
    run = await firing.retrying_run()
    await cancel(firing, run.id)
    await cancel(firing, run.id)


async def cancelling_many(firing: Firing) -> None:
    await firing.running_run()
    await firing.queued_run()
    await firing.retrying_run()
    command = CancelRuns(caller=firing.caller, chosen=RunFilter(), now=LATER)
    assert await cancel_runs(command, firing.shards) == 3


async def skipping(firing: Firing) -> None:
    run = await firing.running_run(overlap=Overlap.SKIP)
    assert not await begin_another(firing, run.job_id)


async def terminating(firing: Firing) -> None:
    run = await firing.running_run(overlap=Overlap.TERMINATE_OTHER)
    await firing.buffered(run.job_id)
    assert await begin_another(firing, run.job_id)


async def asking_to_end(firing: Firing) -> None:
    run = await firing.running_run(overlap=Overlap.CANCEL_OTHER)
    assert not await begin_another(firing, run.job_id)
    await firing.finish(ended(run, Outcome.ABANDONED))


async def deleting(firing: Firing) -> None:
    run = await firing.retrying_run()
    command = DeleteJob(caller=firing.caller, job_id=run.job_id, now=LATER)
    await delete_job(command, firing.shards)


async def taking_what_was_deleted(firing: Firing) -> None:
    key = await firing.scheduled_run()
    await firing.rows("DELETE FROM jobs WHERE service_id = $1", firing.caller.service_id)
    assert await firing.take(key) == []


async def abandoning_too_often(firing: Firing) -> None:
    run = await firing.running_run(retry=RetryPolicy(max_attempts=1))
    await firing.rows("UPDATE runs SET attempt_count = 50 WHERE id = $1", run.id)
    await rescue_runs(RescueRuns(now=LATER), firing.shard)


async def cancelling_a_backfill(firing: Firing) -> None:
    job = await firing.job(every=60 * SECOND)
    start = DUE - timedelta(hours=1)
    command = StartBackfill(
        caller=firing.caller,
        job_id=job.id,
        start=start,
        end=start + timedelta(minutes=3),
        overlap=Overlap.ALLOW_ALL,
        only_missing=False,
        runs_per_minute=60,
        dry_run=False,
        now=DUE,
    )
    backfill = await start_backfill(command, firing.shards)
    await continue_backfills(DUE, firing.database)
    await cancel_backfill(
        CancelBackfill(caller=firing.caller, backfill_id=backfill.id, now=LATER), firing.shards
    )


ENDS: dict[Callable[[Firing], Awaitable[None]], list[str]] = {
    success: ["succeeded"],
    last_failure: ["failed"],
    failure_that_pauses: ["failed"],
    success_after_a_retry: ["succeeded"],
    cancelling_what_waits: ["cancelled"],
    cancelling_what_rings: ["cancelled"],
    cancelling_twice: ["cancelled"],
    cancelling_many: ["cancelled"] * 3,
    skipping: ["skipped_overlap"],
    terminating: ["cancelled"] * 2,
    asking_to_end: ["cancelled"],
    deleting: ["cancelled"],
    taking_what_was_deleted: ["cancelled"],
    abandoning_too_often: ["failed"],
    cancelling_a_backfill: ["cancelled"],
}


@pytest.mark.parametrize("way", ENDS, ids=lambda way: way.__name__)
async def test_every_way_to_end_is_told_once(
    firing: Firing, way: Callable[[Firing], Awaitable[None]]
):
    await way(firing)
    assert await told_states(firing) == ENDS[way]
    closed = await firing.rows("SELECT state FROM runs WHERE NOT open")
    assert sorted(run["state"] for run in closed) == sorted(ENDS[way])


async def test_what_has_not_ended_is_not_told(firing: Firing):
    await firing.retrying_run()
    await firing.buffered((await firing.running_run()).job_id)
    run = await firing.queued_run()
    command = GiveBackRuns(worker_id=WORKER, runs=[(run.service_id, run.id)])
    assert await give_back_runs(command, firing.database) == command.runs
    assert await waiting(firing) == []


async def test_an_event_tells_lateness_and_duration_as_the_run_does(firing: Firing):
    run = await firing.retrying_run()
    again = await firing.next_attempt(run)
    await firing.finish(succeeded(again))
    (event,) = await waiting(firing)
    row = await firing.run(run.id)
    assert event["lateness_ms"] == [row["lateness_ms"]] == [0.0]
    took = (row["finished_at"] - row["started_at"]) / timedelta(milliseconds=1)
    assert event["duration_ms"] == [pytest.approx(took)]
    assert (event["job_ids"], event["finished_at"]) == ([run.job_id], [row["finished_at"]])


async def test_what_never_began_has_neither(firing: Firing):
    await cancelling_what_waits(firing)
    (event,) = await waiting(firing)
    assert (event["lateness_ms"], event["duration_ms"]) == ([None], [None])


async def test_what_was_cut_off_has_a_lateness_only(firing: Firing):
    await cancelling_what_rings(firing)
    (event,) = await waiting(firing)
    assert (event["lateness_ms"], event["duration_ms"]) == ([0.0], [None])
