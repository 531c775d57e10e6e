"""A job with a number of runs is at its end when its last run is, not before."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import pytest

from commands.firing.claims.claim_runs import ClaimRuns, claim_runs
from commands.runs.cancel_runs import CancelRun, cancel_run
from commands.services.update_service import UpdateService, update_service
from domain.errors import Conflict
from domain.jobs.job import JobState
from domain.policies.overlap import Overlap
from domain.quotas.limits import Limits
from storage.jobs.rows import job_of
from tests.commands.changing import pause, resume, retarget
from tests.commands.firing import DUE, NOON, SECOND, WORKER, Firing, failed, instants_of, succeeded
from tests.commands.telling import told

AFTER = NOON + 20 * SECOND


async def claim(firing: Firing, now: datetime) -> None:
    await firing.claim(now + 5 * SECOND, now=now)


async def seen(firing: Firing, job_id: UUID, now: datetime) -> tuple[JobState, datetime | None]:
    """A job's state and next fire time, after a claim."""
    await claim(firing, now)
    job = job_of(await firing.job_row(job_id), now)
    return job.state, job.next_fire_at


async def seconds_run(firing: Firing, job_id: UUID) -> list[int]:
    return [(one - NOON) // SECOND for one in instants_of(await firing.runs(job_id))]


@pytest.mark.promise("completed")
async def test_a_job_is_active_until_its_last_run_has_ended(firing: Firing):
    run = await firing.running_run(every=60 * SECOND, now=NOON, max_runs=1)
    assert await seen(firing, run.job_id, AFTER) == (JobState.ACTIVE, NOON)
    assert await firing.finish(failed(run)) == {run.id}  # and is tried again
    assert await seen(firing, run.job_id, AFTER + 20 * SECOND) == (JobState.ACTIVE, NOON)
    again = await firing.next_attempt(run)
    assert await seen(firing, run.job_id, again.due_at + 20 * SECOND) == (JobState.ACTIVE, NOON)
    await firing.finish(succeeded(again))
    assert await seen(firing, run.job_id, again.due_at + 120 * SECOND) == (
        JobState.COMPLETED,
        None,
    )
    assert await told(firing, run.job_id, NOON + 600 * SECOND) == [(0, 0, "run")]


async def test_the_look_at_the_last_runs_is_rare_and_makes_no_claim_full(firing: Firing):
    run = await firing.running_run(every=60 * SECOND, now=NOON, max_runs=1)
    until = AFTER + 5 * SECOND
    command = ClaimRuns(dispatcher_id=WORKER, now=AFTER, until=until, late=True)
    assert not (await claim_runs(command, firing.database)).full
    looked_at = await firing.job_row(run.job_id)
    assert looked_at["next_claim_at"] == until + (AFTER - NOON) / 8
    assert not (await claim_runs(command, firing.database)).full
    assert await firing.job_row(run.job_id) == looked_at


async def test_a_job_whose_last_runs_wait_can_be_paused_and_goes_on_with_them(firing: Firing):
    job = await firing.job(every=SECOND, max_runs=3)
    await claim(firing, NOON)
    now = NOON + 5 * SECOND  # all are late, and none has begun
    paused = await pause(firing.shards, firing.caller, job.id, now)
    assert paused.state is JobState.PAUSED
    assert await seconds_run(firing, job.id) == []
    assert await told(firing, job.id, now, unit=1) == [(n, n, "paused") for n in (0, 1, 2)] + [
        (3, 5, "paused")
    ]
    resumed = await resume(firing.shards, firing.caller, job.id, now)
    assert resumed.state is JobState.ACTIVE
    await claim(firing, now)
    assert await seconds_run(firing, job.id) == [6, 7, 8]


async def test_a_pause_while_the_last_run_rings_is_no_end_either(firing: Firing):
    run = await firing.running_run(every=60 * SECOND, now=NOON, max_runs=1)
    assert (await pause(firing.shards, firing.caller, run.job_id, AFTER)).state is JobState.PAUSED
    resumed = await resume(firing.shards, firing.caller, run.job_id, AFTER)
    assert (resumed.state, resumed.next_fire_at) == (JobState.ACTIVE, NOON)
    await firing.finish(succeeded(run))
    assert await seen(firing, run.job_id, AFTER) == (JobState.COMPLETED, None)
    with pytest.raises(Conflict, match="new schedule"):
        await pause(firing.shards, firing.caller, run.job_id, AFTER)
    assert await told(firing, run.job_id, NOON + 600 * SECOND) == [(0, 0, "run")]


async def test_a_skipped_run_is_given_back_before_the_job_shows_its_end(firing: Firing):
    job = await firing.job(every=SECOND, max_runs=2, overlap=Overlap.SKIP)
    await claim(firing, NOON)
    keys = [(row["service_id"], row["id"]) for row in await firing.runs(job.id)]
    first, second = await firing.take(*keys)
    assert await firing.begin(first)
    assert await seen(firing, job.id, NOON + 2 * SECOND) == (JobState.ACTIVE, NOON + SECOND)
    assert not await firing.begin(second, now=NOON + 2 * SECOND)
    state, _ = await seen(firing, job.id, NOON + 2 * SECOND)
    assert state is JobState.ACTIVE
    assert await firing.finish(succeeded(first)) == {first.id}
    assert await seconds_run(firing, job.id) == [0, 1, 2]
    assert await told(firing, job.id, AFTER, unit=1) == [
        (0, 0, "run"),
        (1, 1, "skipped_overlap"),
        (2, 2, "run"),
    ]


async def test_a_cancelled_last_run_ends_the_job(firing: Firing):
    run = await firing.queued_run(every=60 * SECOND, now=NOON, max_runs=1)
    command = CancelRun(caller=firing.caller, run_id=run.id, now=AFTER)
    await cancel_run(command, firing.shards)
    assert await seen(firing, run.job_id, AFTER) == (JobState.COMPLETED, None)


async def test_what_a_quota_refuses_does_not_count_as_a_run(firing: Firing):
    limits = Limits(fires_per_minute=1)
    command = UpdateService(
        caller=firing.caller,
        service_id=firing.caller.service_id,
        limits=lambda _: limits,
        now=NOON,
    )
    await update_service(command, firing.shards)
    job = await firing.job(every=20 * SECOND, max_runs=2)
    await firing.claim(NOON + 20 * SECOND, now=NOON)
    assert await seconds_run(firing, job.id) == [0]
    assert (await firing.job_row(job.id))["run_count"] == 1
    for minute in (1, 2, 3):
        await firing.claim(
            NOON + (60 * minute + 10) * SECOND, now=NOON + (60 * minute - 5) * SECOND
        )
    assert await seconds_run(firing, job.id) == [0, 60]
    assert (await firing.job_row(job.id))["run_count"] == 2


async def test_an_edit_leaves_a_job_with_its_last_run_alone(firing: Firing):
    run = await firing.running_run(every=60 * SECOND, now=NOON, max_runs=1)
    await retarget(firing.shards, firing.caller, run.job_id)
    assert await seen(firing, run.job_id, AFTER) == (JobState.ACTIVE, NOON)


@pytest.mark.promise("completed")
@pytest.mark.parametrize("spec", [{"at": DUE}, {"every": SECOND, "start_at": DUE, "end_at": DUE}])
async def test_a_last_run_that_waits_can_be_paused_whatever_the_schedule(
    firing: Firing, spec: dict[str, datetime]
):
    run = await firing.queued_run(**spec)
    late = DUE + 10 * SECOND
    paused = await pause(firing.shards, firing.caller, run.job_id, late)
    assert paused.state is JobState.PAUSED
    assert await firing.start(run, now=late) == set()
    assert await told(firing, run.job_id, late, unit=1) == [(3, 3, "paused")]
    resumed = await resume(firing.shards, firing.caller, run.job_id, late)
    assert resumed.state is JobState.COMPLETED
