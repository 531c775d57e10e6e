"""Runs that have ended are replayed."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import msgspec
import pytest

from commands.firing.take_runs import TakenRun
from commands.runs.cancel_runs import CancelRun, cancel_run
from commands.runs.replay_runs import ReplayRun, ReplayRuns, replay_run, replay_runs
from domain.access.caller import Caller
from domain.errors import Conflict, NotFound
from domain.filters.job_filter import Order
from domain.filters.run_filter import RunFilter
from domain.ids import run_id
from domain.policies.overlap import Overlap
from domain.runs.run import Run, RunState, Trigger
from queries.runs.get_run import GetRun, get_run
from queries.runs.list_service_runs import list_service_runs
from queries.runs.pages import RunQuery
from storage.runs.extra_runs import ExtraRun, write_extra_runs
from storage.schema.retention import MARGIN, note_kept_from
from storage.shards import Shards
from tests.commands.changing import delete
from tests.commands.firing import (
    DUE,
    LATER,
    NOON,
    OTHER_WORKER,
    SECOND,
    STEADY,
    Firing,
    failed,
    succeeded,
)
from tests.commands.messages import waiting_messages

ONCE = msgspec.structs.replace(STEADY, max_attempts=1)


@pytest.fixture
def firing(quiet: Shards, caller: Caller) -> Firing:
    """Jobs and runs whose messages nobody takes."""
    return Firing(quiet, caller)


async def replay(firing: Firing, run: UUID) -> Run:
    command = ReplayRun(caller=firing.caller, run_id=run, now=LATER)
    return await replay_run(command, firing.shards)


async def replay_all(firing: Firing, limit: int = 100, **chosen) -> int:
    command = ReplayRuns(caller=firing.caller, chosen=RunFilter(**chosen), now=LATER, limit=limit)
    return await replay_runs(command, firing.shards)


async def dead(firing: Firing, **job) -> TakenRun:
    """A run that failed for good."""
    run = await firing.running_run(**{"retry": ONCE, **job})
    await firing.finish(failed(run))
    return run


async def take(firing: Firing, run: Run | UUID) -> TakenRun:
    run_id = run if isinstance(run, UUID) else run.id
    (taken,) = await firing.take((firing.caller.service_id, run_id), until=LATER)
    return taken


@pytest.mark.promise("dead letters")
async def test_a_replay_is_a_new_run_of_the_same_fire_time_that_is_due_now(firing: Firing):
    old = await dead(firing)
    waiting_messages(firing.shards)
    run = await replay(firing, old.id)
    assert run.id == run_id(old.job_id, DUE, 1) != old.id
    assert (run.state, run.trigger, run.generation) == (RunState.SCHEDULED, Trigger.REPLAY, 1)
    assert (run.job_id, run.scheduled_for, run.due_at) == (old.job_id, DUE, LATER)
    assert (run.attempt_count, run.started_at, run.reason) == (0, None, None)
    assert waiting_messages(firing.shards) == [(firing.caller.service_id, run.id)]
    taken = await take(firing, run)
    assert (taken.number, taken.overlap) == (1, Overlap.BUFFER_ALL)
    assert await firing.begin(taken, now=LATER)
    await firing.finish(succeeded(taken))
    row = await firing.run(old.id)
    assert (row["state"], row["failed"], row["replayed"]) == ("failed", True, True)
    assert await firing.outcomes(old.id) == ["failed"]
    assert await firing.outcomes(run.id) == ["succeeded"]


async def test_both_runs_of_a_fire_time_can_be_read_and_listed(firing: Firing):
    old = await dead(firing)
    run = await replay(firing, old.id)
    for one in (old.id, run.id):
        found, _ = await get_run(GetRun(caller=firing.caller, run_id=one, now=NOON), firing.shards)
        assert found.id == one
    query = RunQuery(
        service_id=firing.caller.service_id,
        chosen=RunFilter(job_id=old.job_id),
        order=Order.DESC,
        limit=10,
        after=None,
    )
    listed = await list_service_runs(query, firing.shards)
    assert {one.id for one in listed.runs} == {old.id, run.id}


async def test_each_further_replay_is_a_generation_of_its_own(firing: Firing):
    old = await dead(firing)
    runs = []
    for _ in range(3):
        run = await replay(firing, old.id)
        taken = await take(firing, run)
        assert await firing.begin(taken, now=LATER)
        await firing.finish(succeeded(taken))
        runs.append(run)
    assert [run.generation for run in runs] == [1, 2, 3]
    assert len({run.id for run in runs}) == 3
    assert (await replay(firing, runs[0].id)).generation == 4


async def test_runs_that_ended_otherwise_are_replayed_too(firing: Firing):
    over = await firing.running_run()
    skipped = await firing.triggered(over.job_id)
    await firing.begin(skipped, by=OTHER_WORKER, now=LATER)
    await firing.finish(succeeded(over))
    cancelled = await firing.queued_run()
    command = CancelRun(caller=firing.caller, run_id=cancelled.id, now=LATER)
    await cancel_run(command, firing.shards)
    for old in (over, skipped, cancelled):
        run = await replay(firing, old.id)
        assert (run.scheduled_for, run.generation) == (old.scheduled_for, 1)


@pytest.mark.parametrize("stage", ["queued_run", "running_run", "retrying_run"])
async def test_a_run_that_has_not_ended_is_not_replayed(firing: Firing, stage: str):
    run = await getattr(firing, stage)()
    with pytest.raises(Conflict, match="has not ended"):
        await replay(firing, run.id)
    assert len(await firing.runs(run.job_id)) == 1


async def test_a_run_of_a_deleted_job_is_not_replayed(firing: Firing):
    run = await dead(firing)
    await delete(firing.shards, firing.caller, run.job_id)
    with pytest.raises(Conflict, match="deleted"):
        await replay(firing, run.id)
    assert await replay_all(firing) == 0
    assert len(await firing.runs(run.job_id)) == 1


async def test_a_run_that_is_not_there_is_not_found(firing: Firing):
    with pytest.raises(NotFound):
        await replay(firing, run_id(uuid4(), DUE))


@pytest.mark.promise("accepted runs")
async def test_replays_that_are_asked_for_at_once_are_all_made(firing: Firing):
    old = await dead(firing)
    runs = await asyncio.gather(*(replay(firing, old.id) for _ in range(6)))
    assert sorted(run.generation for run in runs) == [1, 2, 3, 4, 5, 6]


async def test_a_replay_waits_while_another_run_of_the_job_is_active(firing: Firing):
    old = await dead(firing)
    active = await firing.triggered(old.job_id)
    assert await firing.begin(active, by=OTHER_WORKER, now=LATER)
    run = await replay(firing, old.id)
    assert not await firing.begin(await take(firing, run), now=LATER)
    assert (await firing.run(run.id))["buffered"]
    # And what the schedule fires while a replay is active finds it active.
    await firing.finish(succeeded(active, by=OTHER_WORKER))
    assert await firing.pass_overlap_locks() == [run.id]
    assert await firing.begin(await take(firing, run), now=LATER)
    fired = await firing.triggered(old.job_id)
    assert not await firing.begin(fired, by=OTHER_WORKER, now=LATER)
    assert await firing.state(fired.id) == "skipped_overlap"


async def test_a_replay_may_be_replayed_when_it_failed(firing: Firing):
    old = await dead(firing)
    taken = await take(firing, await replay(firing, old.id))
    assert await firing.begin(taken, now=LATER)
    await firing.finish(failed(taken))
    assert await replay_all(firing) == 1
    generations = [row["generation"] for row in await firing.runs(old.job_id)]
    assert sorted(generations) == [0, 1, 2]


@pytest.mark.promise("dead letters")
async def test_in_bulk_each_dead_letter_is_replayed_once(firing: Firing):
    old = [await dead(firing) for _ in range(3)]
    over = await firing.running_run()
    await firing.finish(succeeded(over))
    await replay(firing, old[0].id)
    waiting_messages(firing.shards)
    assert await replay_all(firing) == 2
    assert await replay_all(firing) == 0
    assert len(waiting_messages(firing.shards)) == 2
    for run in old:
        states = [row["state"] for row in await firing.runs(run.job_id)]
        assert sorted(states) == ["failed", "scheduled"]
    assert len(await firing.runs(over.job_id)) == 1


async def test_in_bulk_and_at_once_each_dead_letter_is_replayed_once(firing: Firing):
    old = [await dead(firing) for _ in range(12)]
    counts = await asyncio.gather(*(replay_all(firing, limit=5) for _ in range(6)))
    assert sum(counts) == 12
    for run in old:
        assert len(await firing.runs(run.job_id)) == 2


async def test_two_dead_letters_of_one_fire_time_are_two_replays(firing: Firing):
    old = await dead(firing)
    taken = await take(firing, await further_run(firing, old))
    assert await firing.begin(taken, now=LATER)
    await firing.finish(failed(taken))
    assert await replay_all(firing) == 2
    generations = [row["generation"] for row in await firing.runs(old.job_id)]
    assert sorted(generations) == [0, 1, 2, 3]


async def further_run(firing: Firing, old: TakenRun) -> UUID:
    """Another run of a fire time, as a backfill makes it."""
    wanted = ExtraRun(
        job_id=old.job_id, scheduled_for=DUE, overlap=Overlap.BUFFER_ALL, utc_offset=0
    )
    async with firing.database.driver() as driver:
        ((_, run),) = await write_extra_runs(
            driver, old.service_id, [wanted], trigger=Trigger.BACKFILL, due_at=LATER
        )
    return run


async def test_further_runs_that_are_made_at_once_are_all_made(firing: Firing):
    old = await dead(firing)
    await asyncio.gather(*(further_run(firing, old) for _ in range(8)))
    generations = [row["generation"] for row in await firing.runs(old.job_id)]
    assert sorted(generations) == list(range(9))


async def test_a_fire_time_takes_no_more_runs_than_can_be_told_apart(firing: Firing):
    old = await dead(firing)
    await further_run(firing, old)
    async with firing.database.driver() as driver:
        await driver.execute("UPDATE runs SET generation = 32767 WHERE generation = 1")
    with pytest.raises(Conflict, match="32,767"):
        await replay_run(ReplayRun(caller=firing.caller, run_id=old.id, now=LATER), firing.shards)
    # Nor do many at once, or a backfill, fail with it.
    assert await replay_all(firing) == 0
    assert len(await firing.runs(old.job_id)) == 2


async def test_a_limit_leaves_the_newest_for_the_next_time(firing: Firing):
    for number in range(3):
        at = NOON + number * SECOND
        await firing.job(at=at, now=NOON - SECOND, retry=ONCE)
        claim = await firing.claim(at)
        ((run),) = await firing.take((firing.caller.service_id, claim.runs[0].id))
        assert await firing.begin(run)
        await firing.finish(failed(run))
    assert await replay_all(firing, limit=2) == 2
    left = await firing.rows("SELECT scheduled_for FROM runs WHERE failed AND NOT replayed")
    assert [row["scheduled_for"] for row in left] == [NOON + 2 * SECOND]


@pytest.mark.parametrize(
    ("chosen", "count"),
    [
        ({"since": DUE}, 1),
        ({"since": DUE + SECOND}, 0),
        ({"before": DUE}, 0),
        ({"before": DUE + SECOND}, 1),
        ({"trigger": Trigger.SCHEDULE}, 1),
        ({"trigger": Trigger.MANUAL}, 0),
        ({"states": (RunState.FAILED,)}, 1),
        ({"job_id": uuid4()}, 0),
    ],
)
async def test_filters_narrow_what_is_replayed(firing: Firing, chosen, count: int):
    await dead(firing)
    assert await replay_all(firing, **chosen) == count


async def test_a_run_whose_day_is_dropped_soon_is_not_replayed(firing: Firing):
    run = await dead(firing)
    day = run.scheduled_for.date()
    async with firing.database.driver() as driver:
        await note_kept_from(driver, day)
    assert await replay_all(firing) == 0
    with pytest.raises(Conflict, match=rf"runs of {day + MARGIN} and later"):
        await replay(firing, run.id)
    async with firing.database.driver() as driver:
        await note_kept_from(driver, day - MARGIN)
    assert (await replay(firing, run.id)).trigger is Trigger.REPLAY
