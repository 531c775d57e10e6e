"""A pause, an edit or a delete takes back what was claimed ahead and has not begun to ring."""

from __future__ import annotations

import asyncio

import pytest

from domain.errors import Conflict, Invalid, NotFound
from domain.jobs.job import JobState
from domain.schedules.schedule import Schedule
from tests.commands.changing import (
    NEW_TARGET,
    Change,
    delete,
    pause,
    rename,
    resume,
    retarget,
    trigger,
    update,
)
from tests.commands.firing import (
    DUE,
    NOON,
    OTHER_WORKER,
    SECOND,
    Firing,
    failed,
    instants_of,
    succeeded,
)

WITHDRAWING = pytest.mark.parametrize("change", [pause, retarget, delete])


@WITHDRAWING
async def test_what_a_dispatcher_claimed_is_withdrawn(firing: Firing, change: Change):
    job = await firing.job()
    await firing.claim()
    (run,) = await firing.runs(job.id)
    await change(firing.shards, firing.caller, job.id)
    assert await firing.runs(job.id) == []
    assert await firing.take((run["service_id"], run["id"])) == []


@WITHDRAWING
async def test_what_waits_in_a_worker_is_withdrawn_and_cannot_begin(firing: Firing, change: Change):
    run = await firing.queued_run()
    await change(firing.shards, firing.caller, run.job_id)
    assert await firing.runs(run.job_id) == []
    assert await firing.start(run) == set()


@WITHDRAWING
async def test_what_rings_is_left_alone_and_recorded(firing: Firing, change: Change):
    run = await firing.running_run(every=3 * SECOND, now=NOON + SECOND)
    await change(firing.shards, firing.caller, run.job_id)
    assert (await firing.run(run.id))["state"] == "running"
    assert await firing.finish(succeeded(run)) == {run.id}


@WITHDRAWING
async def test_a_change_and_the_begin_of_the_ring_never_both_win(firing: Firing, change: Change):
    for _ in range(8):
        run = await firing.queued_run(every=3 * SECOND, now=NOON + SECOND)
        started, _ = await asyncio.gather(
            firing.start(run), change(firing.shards, firing.caller, run.job_id)
        )
        states = [row["state"] for row in await firing.runs(run.job_id)]
        assert states == (["running"] if started else [])


@pytest.mark.parametrize("change", [pause, delete])
async def test_a_change_and_a_claim_at_the_same_time_leave_nothing_claimed(
    firing: Firing, change: Change
):
    for _ in range(8):
        job = await firing.job()
        await asyncio.gather(firing.claim(), change(firing.shards, firing.caller, job.id))
        await firing.claim()
        assert await firing.runs(job.id) == []


async def test_a_deleted_job_leaves_its_history_and_cancels_its_retry(firing: Firing):
    run = await firing.retrying_run()
    await delete(firing.shards, firing.caller, run.job_id, DUE)
    row = await firing.run(run.id)
    assert (row["state"], row["open"], row["retry_at"]) == ("cancelled", False, None)
    assert row["finished_at"] == DUE
    assert await firing.outcomes(run.id) == ["failed"]
    assert (await firing.claim(DUE + 100 * SECOND)).runs == []


async def test_a_manual_run_that_waits_is_kept_by_a_pause_and_cancelled_by_a_delete(
    firing: Firing,
):
    job = await firing.job()
    run = await trigger(firing.shards, firing.caller, job.id)
    await pause(firing.shards, firing.caller, job.id)
    assert (await firing.run(run.id))["state"] == "scheduled"
    await delete(firing.shards, firing.caller, job.id)
    assert (await firing.run(run.id))["state"] == "cancelled"


async def test_a_paused_job_is_not_claimed(firing: Firing):
    job = await firing.job(every=SECOND)
    await firing.claim(NOON + SECOND)
    paused = await pause(firing.shards, firing.caller, job.id)
    assert (paused.state, paused.next_fire_at, paused.version) == (JobState.PAUSED, None, 2)
    assert (await firing.claim(NOON + 60 * SECOND)).runs == []


async def test_a_resumed_job_starts_from_now_without_what_it_missed(firing: Firing):
    job = await firing.job(every=60 * SECOND)
    await pause(firing.shards, firing.caller, job.id)
    later = NOON + 630 * SECOND
    resumed = await resume(firing.shards, firing.caller, job.id, later)
    assert (resumed.state, resumed.next_fire_at) == (JobState.ACTIVE, NOON + 660 * SECOND)
    await firing.claim(later + 60 * SECOND, now=later)
    assert instants_of(await firing.runs(job.id)) == [NOON + 660 * SECOND]


async def test_pausing_or_resuming_twice_changes_nothing(firing: Firing):
    job = await firing.job()
    paused = await pause(firing.shards, firing.caller, job.id)
    assert await pause(firing.shards, firing.caller, job.id) == paused
    resumed = await resume(firing.shards, firing.caller, job.id)
    assert await resume(firing.shards, firing.caller, job.id) == resumed
    assert resumed.version == 3


async def test_a_completed_job_cannot_be_paused(firing: Firing):
    run = await firing.running_run()
    await firing.finish(succeeded(run))
    with pytest.raises(Conflict, match="new schedule"):
        await pause(firing.shards, firing.caller, run.job_id, DUE + SECOND)


async def test_an_edited_run_that_was_due_fires_with_the_new_target(firing: Firing):
    run = await firing.queued_run()
    job = await update(firing.shards, firing.caller, run.job_id, DUE, target=NEW_TARGET)
    assert job.version == 2
    (taken,) = await firing.take((run.service_id, run.id), by=OTHER_WORKER)
    assert (taken.target, taken.job_version, taken.number) == (NEW_TARGET, 2, 1)
    assert await firing.start(run) == set()
    assert await firing.start(taken, by=OTHER_WORKER) == {run.id}


async def test_an_edit_brings_back_the_withdrawn_instants_and_none_that_rings(firing: Firing):
    job = await firing.job(every=SECOND)
    claim = await firing.claim(NOON + 4 * SECOND)
    first = min(claim.runs)
    (taken,) = await firing.take((first.service_id, first.id))
    await firing.start(taken)
    await retarget(firing.shards, firing.caller, job.id)
    assert (await firing.job_row(job.id))["next_claim_at"] == NOON + SECOND
    again = await firing.claim(NOON + 4 * SECOND)
    assert sorted(run.due_at for run in again.runs) == [NOON + n * SECOND for n in (1, 2, 3, 4)]
    assert len(await firing.runs(job.id)) == 5


async def test_a_new_name_leaves_what_is_claimed_where_it_is(firing: Firing):
    run = await firing.queued_run()
    before = await firing.run(run.id)
    renamed = await rename(firing.shards, firing.caller, run.job_id)
    assert (renamed.name, renamed.version, renamed.next_fire_at) == ("renamed", 2, DUE)
    assert await firing.run(run.id) == before
    assert await firing.start(run) == {run.id}


async def test_an_edited_schedule_replaces_the_instants_claimed_by_the_old_one(firing: Firing):
    job = await firing.job(every=SECOND)
    await firing.claim(NOON + 2 * SECOND)
    schedule = Schedule(accepted_at=NOON + SECOND, every=30 * SECOND)
    edited = await update(firing.shards, firing.caller, job.id, NOON + SECOND, schedule=schedule)
    assert edited.next_fire_at == NOON + 30 * SECOND
    await firing.claim(NOON + 30 * SECOND)
    # Both name noon, which is late.
    assert instants_of(await firing.runs(job.id)) == [NOON, NOON + 30 * SECOND]


async def test_an_edited_retry_is_read_anew(firing: Firing):
    run = await firing.retrying_run()
    due_at = (await firing.run(run.id))["due_at"]
    await firing.claim(due_at)
    (old,) = await firing.take((run.service_id, run.id), until=due_at)
    await update(firing.shards, firing.caller, run.job_id, DUE, target=NEW_TARGET)
    assert await firing.start(old, now=due_at) == set()
    row = await firing.run(run.id)
    assert (row["state"], row["due_at"]) == ("retrying", due_at)
    (new,) = await firing.take((run.service_id, run.id), until=due_at)
    assert (new.number, new.target) == (2, NEW_TARGET)


async def test_an_edit_that_is_refused_changes_nothing(firing: Firing):
    run = await firing.queued_run()
    before = await firing.job_row(run.job_id)
    with pytest.raises(Invalid) as refusal:
        await update(
            firing.shards,
            firing.caller,
            run.job_id,
            DUE,
            schedule=Schedule(accepted_at=DUE, at=NOON),
        )
    assert refusal.value.pointer == "/schedule/at"
    assert await firing.job_row(run.job_id) == before
    assert await firing.start(run) == {run.id}


async def test_a_paused_job_stays_paused_when_it_is_edited(firing: Firing):
    job = await firing.job(every=SECOND)
    await pause(firing.shards, firing.caller, job.id)
    schedule = Schedule(accepted_at=NOON, every=10 * SECOND)
    edited = await update(firing.shards, firing.caller, job.id, schedule=schedule)
    assert edited.state is JobState.PAUSED
    assert (await firing.claim(NOON + 60 * SECOND)).runs == []


@pytest.mark.parametrize("change", [pause, rename, delete, resume, trigger])
async def test_a_deleted_job_is_not_found(firing: Firing, change: Change):
    run = await firing.running_run()
    await delete(firing.shards, firing.caller, run.job_id)
    with pytest.raises(NotFound):
        await change(firing.shards, firing.caller, run.job_id)
    await firing.finish(failed(run))
