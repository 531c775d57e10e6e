"""Runs are cancelled, one or in bulk."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import msgspec
import pytest

from commands.keys.bootstrap_key import BootstrapKey, bootstrap_key
from commands.runs.cancel_runs import CancelRun, CancelRuns, cancel_run, cancel_runs
from domain.access.caller import Caller
from domain.access.keys import service_of
from domain.errors import Conflict, NotFound
from domain.filters.run_filter import RunFilter
from domain.runs.run import Outcome, Run, RunState, Trigger
from storage.runs.aborts import note_aborted, runs_to_abort
from tests.commands.firing import (
    DUE,
    LATER,
    NOON,
    OTHER_WORKER,
    SECOND,
    WORKER,
    Firing,
    ended,
    failed,
    succeeded,
)


async def cancel(firing: Firing, run_id: UUID) -> Run:
    command = CancelRun(caller=firing.caller, run_id=run_id, now=LATER)
    return await cancel_run(command, firing.shards)


async def cancel_chosen(firing: Firing, limit: int = 100, **chosen) -> int:
    command = CancelRuns(caller=firing.caller, chosen=RunFilter(**chosen), now=LATER, limit=limit)
    return await cancel_runs(command, firing.shards)


async def in_stage(firing: Firing, stage: str) -> UUID:
    if stage == "buffered":
        return (await firing.buffered((await firing.running_run()).job_id)).id
    made = await getattr(firing, stage)()
    run_id: UUID = made[1] if stage == "scheduled_run" else made.id
    return run_id


@pytest.mark.parametrize("stage", ["scheduled_run", "queued_run", "retrying_run", "buffered"])
async def test_a_run_that_waits_is_cancelled_and_will_not_ring(firing: Firing, stage: str):
    run_id = await in_stage(firing, stage)
    before = await firing.outcomes(run_id)
    answer = await cancel(firing, run_id)
    row = await firing.run(run_id)
    assert (row["state"], row["open"], row["buffered"]) == ("cancelled", False, False)
    assert (row["held_by"], row["retry_at"], row["abort"]) == (None, None, False)
    assert (row["finished_at"], row["reason"]) == (LATER, "It was cancelled.")
    assert (answer.id, answer.state) == (run_id, RunState.CANCELLED)
    assert (answer.finished_at, answer.reason) == (LATER, "It was cancelled.")
    assert await firing.outcomes(run_id) == before
    assert await firing.take((firing.caller.service_id, run_id), until=LATER + 100 * SECOND) == []


async def test_a_cancelled_run_that_waits_in_a_worker_does_not_begin(firing: Firing):
    run = await firing.queued_run()
    await cancel(firing, run.id)
    assert not await firing.begin(run)
    assert await firing.state(run.id) == "cancelled"


async def test_a_run_that_rings_is_cancelled_with_its_attempt_abandoned(firing: Firing):
    run = await firing.running_run()
    await cancel(firing, run.id)
    row = await firing.run(run.id)
    assert (row["state"], row["open"], row["abort"]) == ("cancelled", False, True)
    assert (row["started_at"], row["finished_at"]) == (DUE, LATER)
    assert row["lateness_ms"] == 0.0
    (attempt,) = await firing.rows("SELECT * FROM attempts WHERE run_id = $1", run.id)
    assert (attempt["outcome"], attempt["error"]) == ("abandoned", "It was cancelled.")
    assert (attempt["started_at"], attempt["finished_at"]) == (DUE, LATER)


@pytest.mark.parametrize("outcome", Outcome)
async def test_a_worker_that_ends_a_cancelled_attempt_late_records_nothing(
    firing: Firing, outcome: Outcome
):
    run = await firing.running_run()
    await cancel(firing, run.id)
    before = await firing.run(run.id)
    assert await firing.finish(ended(run, outcome)) == set()
    assert await firing.run(run.id) == before
    assert await firing.outcomes(run.id) == ["abandoned"]


async def test_the_worker_of_a_run_that_rings_is_told_until_it_says_that_it_has_cut_it_off(
    firing: Firing,
):
    run, other = await firing.running_run(), await firing.running_run(OTHER_WORKER)
    await cancel(firing, run.id)
    async with firing.database.driver() as driver:
        assert await runs_to_abort(driver, WORKER) == {run.id}
        assert await runs_to_abort(driver, OTHER_WORKER) == set()
        await note_aborted(driver, OTHER_WORKER, [run.id])
        assert await runs_to_abort(driver, WORKER) == {run.id}
        await note_aborted(driver, WORKER, [run.id, other.id])
        assert await runs_to_abort(driver, WORKER) == set()
    row = await firing.run(run.id)
    assert (row["abort"], row["held_by"], row["state"]) == (False, None, "cancelled")


async def test_a_run_that_was_asked_to_end_is_told_of_until_its_end_is_recorded(firing: Firing):
    run = await firing.running_run()
    await firing.rows("UPDATE runs SET abort = true WHERE id = $1", run.id)
    async with firing.database.driver() as driver:
        await note_aborted(driver, WORKER, [run.id])
        assert await runs_to_abort(driver, WORKER) == {run.id}
        await firing.finish(ended(run, Outcome.ABANDONED))
        assert await runs_to_abort(driver, WORKER) == set()


async def test_cancelling_twice_changes_nothing(firing: Firing):
    run = await firing.running_run()
    first = await cancel(firing, run.id)
    before = await firing.run(run.id)
    later = CancelRun(caller=firing.caller, run_id=run.id, now=LATER + SECOND)
    assert await cancel_run(later, firing.shards) == first
    assert await firing.run(run.id) == before
    rows = await firing.rows("SELECT FROM audit WHERE action = 'run.cancelled'")
    assert len(rows) == 1


@pytest.mark.parametrize("end", [succeeded, failed])
async def test_a_run_that_has_ended_is_not_cancelled(firing: Firing, end):
    once = msgspec.structs.replace((await firing.queued_run()).retry, max_attempts=1)
    run = await firing.running_run(retry=once)
    await firing.finish(end(run))
    before = await firing.run(run.id)
    with pytest.raises(Conflict, match=f"ended already: {before['state']}"):
        await cancel(firing, run.id)
    assert await firing.run(run.id) == before


async def test_a_run_that_was_let_go_is_not_cancelled(firing: Firing):
    holder = await firing.running_run()
    run = await firing.triggered(holder.job_id)
    await firing.begin(run, by=OTHER_WORKER)
    with pytest.raises(Conflict, match="skipped_overlap"):
        await cancel(firing, run.id)


async def test_another_services_run_is_not_found(firing: Firing):
    run = await firing.running_run()
    key = await bootstrap_key(BootstrapKey(service_name=f"{uuid4()}", now=NOON), firing.shards)
    service_id = service_of(key)
    assert service_id is not None
    stranger = Caller(service_id=service_id, principal="key:x", request_id="x")
    command = CancelRun(caller=stranger, run_id=run.id, now=LATER)
    with pytest.raises(NotFound):
        await cancel_run(command, firing.shards)
    assert (
        await cancel_runs(CancelRuns(caller=stranger, chosen=RunFilter(), now=LATER), firing.shards)
        == 0
    )
    assert await firing.state(run.id) == "running"


async def test_a_run_that_ends_while_it_is_cancelled_is_recorded_once(firing: Firing):
    for _ in range(10):
        run = await firing.running_run()
        finished, _ = await asyncio.gather(firing.finish(failed(run)), cancel(firing, run.id))
        row = await firing.run(run.id)
        assert (row["state"], row["open"], row["retry_at"]) == ("cancelled", False, None)
        expected = "failed" if finished else "abandoned"
        assert await firing.outcomes(run.id) == [expected]


async def test_all_open_runs_are_cancelled_in_bulk(firing: Firing):
    waiting = await firing.queued_run()
    ringing = await firing.running_run()
    over = await firing.running_run()
    await firing.finish(succeeded(over))
    assert await cancel_chosen(firing) == 2
    assert await cancel_chosen(firing) == 0
    states = [await firing.state(run.id) for run in (waiting, ringing, over)]
    assert states == ["cancelled", "cancelled", "succeeded"]
    assert await firing.outcomes(ringing.id) == ["abandoned"]
    rows = await firing.rows("SELECT details FROM audit WHERE action = 'run.cancelled'")
    assert [msgspec.json.decode(row["details"]) for row in rows] == [{"count": 2}]


async def test_a_limit_leaves_the_latest_for_the_next_time(firing: Firing):
    job = await firing.job(every=SECOND)
    await firing.claim(DUE)
    assert await cancel_chosen(firing, limit=3) == 3
    states = [row["state"] for row in await firing.runs(job.id)]
    assert states == ["cancelled"] * 3 + ["scheduled"]
    assert await cancel_chosen(firing, limit=3) == 1


@pytest.mark.parametrize(
    ("chosen", "cancelled"),
    [
        ({"states": (RunState.RUNNING,)}, [0]),
        ({"states": (RunState.QUEUED,)}, [1, 2]),
        ({"states": (RunState.FAILED,)}, []),
        ({"trigger": Trigger.MANUAL}, [2]),
        ({"trigger": Trigger.SCHEDULE}, [0, 1]),
        ({"since": DUE + timedelta(microseconds=1)}, [2]),
        ({"since": DUE}, [0, 1, 2]),
        ({"before": DUE}, []),
        ({"before": DUE + SECOND, "states": (RunState.QUEUED,)}, [1]),
    ],
)
async def test_filters_narrow_what_is_cancelled(firing: Firing, chosen, cancelled: list[int]):
    first = await firing.running_run()
    second = await firing.queued_run()
    third = await firing.triggered((await firing.job(at=DUE + 99 * SECOND)).id)
    runs = [first, second, third]
    assert await cancel_chosen(firing, **chosen) == len(cancelled)
    found = [await firing.state(run.id) == "cancelled" for run in runs]
    assert found == [number in cancelled for number in range(3)]


async def test_a_jobs_runs_are_cancelled_and_others_are_not(firing: Firing):
    mine, other = await firing.running_run(), await firing.running_run()
    assert await cancel_chosen(firing, job_id=mine.job_id) == 1
    assert await firing.state(mine.id) == "cancelled"
    assert await firing.state(other.id) == "running"
