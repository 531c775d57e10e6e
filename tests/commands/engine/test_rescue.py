"""Runs of workers whose heartbeat lapsed."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import uuid4

import msgspec
import pytest

from commands.firing.rescue_runs import RescueRuns, rescue_runs
from commands.jobs.delete_job import DeleteJob, delete_job
from commands.runs.cancel_runs import CancelRun, cancel_run
from domain.policies.overlap import Overlap
from storage.postgres.heartbeats import LAPSE
from storage.queue.broker import RunKey
from tests.commands.firing import DUE, OTHER_WORKER, SECOND, STEADY, Firing, failed, succeeded

LATER = DUE + 60 * SECOND
JUST_IN_TIME, LAPSED = LAPSE - SECOND, LAPSE + timedelta(milliseconds=1)


async def rescue(firing: Firing) -> list[RunKey]:
    command = RescueRuns(now=LATER)
    return await rescue_runs(command, firing.shard)


async def test_runs_that_waited_in_a_lapsed_worker_are_freed(firing: Firing):
    worker = uuid4()
    run = await firing.queued_run(worker)
    await firing.beat(worker, ago=LAPSED)
    assert await rescue(firing) == [(run.service_id, run.id)]
    row = await firing.run(run.id)
    assert (row["state"], row["held_by"], row["open"]) == ("scheduled", None, True)
    assert await firing.start(run, by=worker) == set()


async def test_a_retry_that_waited_in_a_lapsed_worker_is_freed_as_a_retry(firing: Firing):
    run = await firing.retrying_run()
    due_at = (await firing.run(run.id))["due_at"]
    await firing.take((run.service_id, run.id), until=due_at)
    assert await rescue(firing) == [(run.service_id, run.id)]
    row = await firing.run(run.id)
    assert (row["state"], row["held_by"], row["due_at"]) == ("retrying", None, due_at)


@pytest.mark.promise("worker dies", "rescue")
async def test_a_run_that_rang_in_a_lapsed_worker_ends_its_attempt_as_abandoned(firing: Firing):
    worker = uuid4()
    once = msgspec.structs.replace(STEADY, max_attempts=1)
    run = await firing.running_run(worker, retry=once)
    await firing.beat(worker, ago=LAPSED)
    assert await rescue(firing) == []
    row = await firing.run(run.id)
    assert (row["state"], row["held_by"], row["retry_at"]) == ("retrying", None, LATER)
    (attempt,) = await firing.rows("SELECT * FROM attempts WHERE run_id = $1", run.id)
    assert (attempt["outcome"], attempt["number"]) == ("abandoned", 1)
    assert (attempt["started_at"], attempt["finished_at"]) == (DUE, LATER)
    assert await firing.finish(succeeded(run, by=worker)) == set()


async def test_a_run_that_two_workers_in_turn_were_lost_with_ends_and_says_so(firing: Firing):
    run = await firing.running_run(uuid4(), retry=msgspec.structs.replace(STEADY, max_attempts=9))
    await rescue(firing)
    again = await firing.next_attempt(run, by=uuid4())
    await rescue(firing)
    row = await firing.run(run.id)
    assert (row["state"], row["open"], again.number) == ("failed", False, 2)
    assert await firing.outcomes(run.id) == ["abandoned", "abandoned"]
    (last,) = await firing.rows(
        "SELECT error FROM attempts WHERE run_id = $1 AND number = 2", run.id
    )
    assert last["error"].endswith("as did the one before: the run is not tried again.")


async def test_a_run_that_a_worker_was_lost_with_now_and_then_goes_on(firing: Firing):
    run = await firing.running_run(uuid4(), retry=msgspec.structs.replace(STEADY, max_attempts=9))
    await rescue(firing)
    run = await firing.next_attempt(run, by=OTHER_WORKER)
    await firing.finish(failed(run, by=OTHER_WORKER))
    await firing.next_attempt(run, by=uuid4())
    await rescue(firing)
    assert (await firing.run(run.id))["state"] == "retrying"
    assert await firing.outcomes(run.id) == ["abandoned", "failed", "abandoned"]


@pytest.mark.promise("rescue")
@pytest.mark.parametrize("stage", ["queued_run", "running_run"])
@pytest.mark.parametrize("ago", [JUST_IN_TIME, timedelta()])
async def test_runs_of_a_worker_that_beats_are_left_alone(
    firing: Firing, stage: str, ago: timedelta
):
    worker = uuid4()
    run = await getattr(firing, stage)(worker)
    before = await firing.run(run.id)
    await firing.beat(worker, ago=ago)
    assert await rescue(firing) == []
    assert await firing.run(run.id) == before
    assert await firing.outcomes(run.id) == []


@pytest.mark.parametrize("stage", ["queued_run", "running_run"])
async def test_runs_of_a_worker_without_a_row_are_rescued(firing: Firing, stage: str):
    run = await getattr(firing, stage)(uuid4())
    await rescue(firing)
    row = await firing.run(run.id)
    assert row["held_by"] is None
    assert row["state"] in ("scheduled", "retrying")


async def test_what_no_worker_holds_is_no_concern_of_the_rescue(firing: Firing):
    claimed = await firing.scheduled_run()
    retrying = await firing.retrying_run()
    before = [await firing.run(run) for run in (claimed[1], retrying.id)]
    assert await rescue(firing) == []
    assert [await firing.run(run) for run in (claimed[1], retrying.id)] == before


async def test_many_rescues_at_once_free_each_run_once_and_record_each_attempt_once(
    firing: Firing,
):
    queued = [await firing.queued_run(uuid4()) for _ in range(10)]
    running = [await firing.running_run(uuid4()) for _ in range(10)]
    rescues = await asyncio.gather(*(rescue(firing) for _ in range(6)))
    freed = [run for runs in rescues for _, run in runs]
    assert sorted(freed) == sorted(run.id for run in queued)
    for run in running:
        assert await firing.outcomes(run.id) == ["abandoned"]
        assert (await firing.run(run.id))["attempt_count"] == 1


async def test_a_rescued_run_that_was_taken_meanwhile_stays_with_its_new_worker(firing: Firing):
    run = await firing.queued_run(uuid4())
    (key,) = await rescue(firing)
    (taken,) = await firing.take(key, by=OTHER_WORKER)
    await firing.beat(OTHER_WORKER)
    assert await rescue(firing) == []
    assert await firing.start(taken, by=OTHER_WORKER) == {run.id}


async def test_an_abandoned_attempt_of_a_deleted_job_is_recorded_and_its_run_cancelled(
    firing: Firing,
):
    run = await firing.running_run(uuid4())
    command = DeleteJob(caller=firing.caller, job_id=run.job_id, now=DUE)
    await delete_job(command, firing.shards)
    await rescue(firing)
    assert await firing.outcomes(run.id) == ["abandoned"]
    assert await firing.take((run.service_id, run.id), until=LATER) == []
    assert (await firing.run(run.id))["state"] == "cancelled"


@pytest.mark.parametrize("way", ["cancelled", "replaced"])
async def test_nobody_is_asked_to_cut_off_what_rang_in_a_lapsed_worker_and_was_ended(
    firing: Firing, way: str
):
    worker = uuid4()
    run = await firing.running_run(worker)
    if way == "cancelled":
        await cancel_run(CancelRun(caller=firing.caller, run_id=run.id, now=DUE), firing.shards)
    else:
        other = await firing.triggered(run.job_id, Overlap.TERMINATE_OTHER)
        assert await firing.begin(other, by=OTHER_WORKER, now=LATER)
    await firing.beat(OTHER_WORKER)
    await firing.beat(worker, ago=JUST_IN_TIME)
    before = await firing.run(run.id)
    assert (before["state"], before["abort"], before["held_by"]) == ("cancelled", True, worker)
    await rescue(firing)
    assert await firing.run(run.id) == before
    await firing.beat(worker, ago=LAPSED)
    await rescue(firing)
    assert dict(await firing.run(run.id)) == {**before, "abort": False, "held_by": None}
    assert await firing.outcomes(run.id) == ["abandoned"]


async def test_what_is_asked_to_end_in_a_lapsed_worker_is_ended(firing: Firing):
    worker = uuid4()
    run = await firing.running_run(worker)
    other = await firing.triggered(run.job_id, Overlap.CANCEL_OTHER)
    assert not await firing.begin(other, by=OTHER_WORKER, now=LATER)
    assert (await firing.run(run.id))["abort"]
    await rescue(firing)
    row = await firing.run(run.id)
    assert (row["state"], row["abort"], row["held_by"]) == ("cancelled", False, None)
