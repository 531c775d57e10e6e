"""Of each job's runs one at a time has the turn, whatever happens at once."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from functools import partial
from uuid import UUID, uuid4

import pytest

from commands.firing.finish_attempts import finish_attempts
from commands.firing.overlap.pass_overlap_lock import pass_overlap_locks
from commands.firing.overlap.resolve_overlap import ResolveOverlap, resolve_overlap
from commands.firing.rescue_runs import RescueRuns, rescue_runs
from commands.firing.take_runs import TakenRun
from commands.jobs.update_job import Changes, UpdateJob, update_job
from commands.runs.cancel_runs import CancelRun, cancel_run
from domain.policies.overlap import Overlap
from domain.policies.retry import RetryPolicy
from domain.runs.run import Outcome
from storage.postgres.pools import Database
from storage.queue.broker import RunKey
from storage.schema.partitions import drop_partitions
from tests.commands.changing import delete, pause
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
from tests.storage.eventually import eventually

ROUNDS = 15
AT_ONCE = 4
DAY = 86_400 * SECOND


@pytest.fixture
async def databases(firing: Firing) -> AsyncIterator[list[Database]]:
    """What two worker processes have."""
    made = [Database(firing.shard.urls.primary) for _ in range(2)]
    yield made
    for database in made:
        await database.close()


async def states(firing: Firing, runs: Iterable[TakenRun]) -> Counter[str]:
    rows = [await firing.run(run.id) for run in runs]
    return Counter("buffered" if row["buffered"] else row["state"] for row in rows)


async def begin_at_once(
    firing: Firing, databases: list[Database], overlap: Overlap
) -> list[TakenRun]:
    """Runs of one idle job that fall due at one instant, each in another worker."""
    job = await firing.job(at=NOON + DAY)
    workers = [uuid4() for _ in range(AT_ONCE)]
    runs = [await firing.triggered(job.id, overlap, by=worker) for worker in workers]
    await asyncio.gather(
        *(
            firing.begin(run, by=worker, now=LATER, database=databases[number % 2])
            for number, (run, worker) in enumerate(zip(runs, workers, strict=True))
        )
    )
    return runs


@pytest.mark.promise("overlap: races")
@pytest.mark.parametrize(
    ("overlap", "rest"),
    [
        (Overlap.SKIP, {"skipped_overlap": AT_ONCE - 1}),
        (Overlap.BUFFER_ONE, {"buffered": 1, "skipped_overlap": AT_ONCE - 2}),
        (Overlap.BUFFER_ALL, {"buffered": AT_ONCE - 1}),
        (Overlap.TERMINATE_OTHER, {"cancelled": AT_ONCE - 1}),
        (Overlap.ALLOW_ALL, {"running": AT_ONCE - 1}),
    ],
)
async def test_of_runs_that_begin_at_once_exactly_one_has_the_turn(
    firing: Firing, databases: list[Database], overlap: Overlap, rest: dict[str, int]
):
    for _ in range(ROUNDS):
        runs = await begin_at_once(firing, databases, overlap)
        assert await states(firing, runs) == Counter({"running": 1}) + Counter(rest)


async def test_of_runs_that_cancel_each_other_at_once_one_rings_and_one_at_most_waits(
    firing: Firing, databases: list[Database]
):
    for _ in range(ROUNDS):
        runs = await begin_at_once(firing, databases, Overlap.CANCEL_OTHER)
        found = await states(firing, runs)
        assert found["running"] == 1
        assert found["buffered"] <= 1
        assert found["cancelled"] == AT_ONCE - 1 - found["buffered"]


async def test_two_that_decide_at_once_on_one_run_begin_it_once(
    firing: Firing, databases: list[Database]
):
    for _ in range(ROUNDS):
        holder = await firing.running_run(every=3 * SECOND, now=NOON + SECOND)
        run = await firing.triggered(holder.job_id, Overlap.TERMINATE_OTHER)
        command = ResolveOverlap(worker_id=OTHER_WORKER, run=run, now=LATER)
        goes = await asyncio.gather(
            *(resolve_overlap(command, databases[number % 2]) for number in range(4))
        )
        assert goes == [True] * 4
        assert await firing.start(run, by=OTHER_WORKER, now=LATER) == {run.id}
        assert await firing.outcomes(holder.id) == ["abandoned"]
        await delete(firing.shards, firing.caller, holder.job_id)


async def test_a_run_that_was_taken_anew_while_it_began_has_its_turn_and_rings(firing: Firing):
    run = await firing.queued_run()
    async with firing.database.transaction() as driver:
        await driver.execute("UPDATE runs SET held_by = held_by WHERE id = $1", run.id)
        beginning = asyncio.create_task(firing.begin(run))
        await eventually(partial(waits_for_a_lock, firing))
    assert await beginning
    assert await firing.state(run.id) == "running"
    ((holder,),) = await firing.rows("SELECT run_id FROM turns WHERE job_id = $1", run.job_id)
    assert holder == run.id


async def waits_for_a_lock(firing: Firing) -> bool:
    waiting = await firing.rows(
        "SELECT FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    return bool(waiting)


async def test_a_finish_passes_the_turn_to_the_run_that_waits_longest(firing: Firing):
    holder = await firing.running_run()
    first, second = [await firing.buffered(holder.job_id) for _ in range(2)]
    await firing.finish(succeeded(holder))
    job = (holder.service_id, holder.job_id)
    assert await pass_overlap_locks(firing.database, [job]) == [(first.service_id, first.id)]
    assert await pass_overlap_locks(firing.database, [job]) == []
    assert (await firing.run(first.id))["buffered"] is False
    assert (await firing.run(second.id))["buffered"] is True


@pytest.mark.promise("retry past the next instant")
async def test_a_retry_keeps_the_turn(firing: Firing):
    holder = await firing.running_run()
    await firing.buffered(holder.job_id)
    await firing.finish(failed(holder))
    assert await pass_overlap_locks(firing.database, [(holder.service_id, holder.job_id)]) == []
    assert await firing.pass_overlap_locks() == []


@pytest.mark.parametrize("stage", ["running_run", "retrying_run"])
async def test_a_cancelled_run_passes_its_turn_on(firing: Firing, stage: str):
    holder = await getattr(firing, stage)()
    run = await firing.buffered(holder.job_id)
    await cancel(firing, holder.id)
    assert await firing.pass_overlap_locks() == [run.id]


async def test_the_turn_passes_a_run_by_that_was_cancelled_while_it_waited(firing: Firing):
    holder = await firing.running_run()
    first, second = [await firing.buffered(holder.job_id) for _ in range(2)]
    await cancel(firing, first.id)
    await firing.finish(succeeded(holder))
    assert await firing.pass_overlap_locks() == [second.id]


async def test_a_run_that_was_passed_the_turn_and_cancelled_passes_it_on(firing: Firing):
    holder = await firing.running_run()
    first, second = [await firing.buffered(holder.job_id) for _ in range(2)]
    await firing.finish(succeeded(holder))
    assert await firing.pass_overlap_locks() == [first.id]
    await cancel(firing, first.id)
    assert await firing.pass_overlap_locks() == [second.id]


async def cancel(firing: Firing, run_id: UUID) -> None:
    await cancel_run(CancelRun(caller=firing.caller, run_id=run_id, now=LATER), firing.shards)


async def test_a_run_whose_worker_died_for_good_passes_its_turn_on(firing: Firing):
    holder = await firing.running_run(retry=RetryPolicy(max_attempts=1))
    run = await firing.buffered(holder.job_id)
    lapsed = RescueRuns(now=LATER)
    await rescue_runs(lapsed, firing.shard)
    # Abandoned attempts are tried again; the turn stays where it is until they are over.
    assert await firing.state(holder.id) == "retrying"
    assert await firing.pass_overlap_locks() == []
    again = await firing.next_attempt(holder)
    await firing.finish(failed(again))
    assert await firing.pass_overlap_locks() == [run.id]


async def test_a_run_that_was_asked_to_end_and_whose_worker_died_passes_its_turn_on(
    firing: Firing,
):
    holder = await firing.running_run()
    run = await firing.buffered(holder.job_id, Overlap.CANCEL_OTHER)
    await rescue_runs(RescueRuns(now=LATER), firing.shard)
    assert await firing.state(holder.id) == "cancelled"
    assert await firing.pass_overlap_locks() == [run.id]


async def test_a_deleted_job_leaves_no_turn_and_nothing_that_waits(firing: Firing):
    holder = await firing.running_run()
    run = await firing.buffered(holder.job_id)
    await delete(firing.shards, firing.caller, holder.job_id)
    assert await firing.rows("SELECT FROM turns WHERE job_id = $1", holder.job_id) == []
    assert await firing.state(run.id) == "cancelled"
    await firing.finish(ended(holder, Outcome.SUCCEEDED))
    assert await firing.pass_overlap_locks() == []


async def test_a_pause_lets_go_what_waits_of_the_schedule_and_the_turn_heals(firing: Firing):
    job = await firing.job(every=3 * SECOND, now=NOON + SECOND, overlap=Overlap.BUFFER_ALL)
    await firing.claim(DUE + 3 * SECOND)
    keys = [(row["service_id"], row["id"]) for row in await firing.runs(job.id)]
    holder, waiting = await firing.take(*keys, until=LATER)
    assert await firing.begin(holder)
    assert not await firing.begin(waiting)
    triggered = await firing.buffered(job.id)
    await pause(firing.shards, firing.caller, job.id, LATER)
    await firing.finish(succeeded(holder))
    assert [row["id"] for row in await firing.runs(job.id)] == [holder.id, triggered.id]
    assert await firing.pass_overlap_locks() == [triggered.id]


async def test_a_turn_whose_run_was_withdrawn_goes_to_the_next_that_asks(firing: Firing):
    job = await firing.job(every=3 * SECOND, now=NOON + SECOND, overlap=Overlap.BUFFER_ALL)
    await firing.claim(DUE + 3 * SECOND)
    keys = [(row["service_id"], row["id"]) for row in await firing.runs(job.id)]
    holder, waiting = await firing.take(*keys, until=LATER)
    assert await firing.begin(holder)
    assert not await firing.begin(waiting)
    await firing.finish(succeeded(holder))
    assert await firing.pass_overlap_locks() == [waiting.id]
    # It has the turn and has not begun: an edit of the schedule withdraws it.
    await pause(firing.shards, firing.caller, job.id, LATER)
    run = await firing.triggered(job.id, Overlap.SKIP)
    assert await firing.begin(run, by=OTHER_WORKER, now=LATER)


async def test_a_newcomer_does_not_overtake_one_that_waits(firing: Firing):
    holder = await firing.running_run()
    waiting = await firing.buffered(holder.job_id)
    await firing.finish(succeeded(holder))
    newcomer = await firing.triggered(holder.job_id, Overlap.BUFFER_ALL)
    assert not await firing.begin(newcomer, by=OTHER_WORKER, now=LATER)
    assert await firing.pass_overlap_locks() == [waiting.id]
    assert await firing.pass_overlap_locks() == []


async def test_turns_that_are_passed_twice_at_once_go_to_one_run(
    firing: Firing, databases: list[Database]
):
    holder = await firing.running_run()
    for _ in range(3):
        await firing.buffered(holder.job_id)
    await firing.finish(succeeded(holder))
    job = (holder.service_id, holder.job_id)
    passed = await asyncio.gather(
        *(pass_overlap_locks(databases[number % 2], [job]) for number in range(6))
    )
    assert sorted(map(len, passed)) == [0] * 5 + [1]


async def test_runs_begin_one_after_the_other_while_turns_are_passed_by_many(
    firing: Firing, databases: list[Database]
):
    holder = await firing.running_run()
    waiting = [await firing.buffered(holder.job_id) for _ in range(6)]
    active: TakenRun = holder
    job = (holder.service_id, holder.job_id)
    for run in waiting:
        await firing.finish(succeeded(active, by=WORKER if active is holder else OTHER_WORKER))
        await asyncio.gather(*(pass_overlap_locks(one, [job]) for one in databases * 2))
        (active,) = await firing.take(
            (run.service_id, run.id), by=OTHER_WORKER, until=LATER + SECOND
        )
        assert await firing.begin(active, by=OTHER_WORKER, now=LATER)
        ((running,),) = await firing.rows(
            "SELECT count(*) FROM runs WHERE job_id = $1 AND state = 'running'", holder.job_id
        )
        assert running == 1


async def test_a_waiting_run_is_not_taken_by_a_message_that_comes_twice(firing: Firing):
    holder = await firing.running_run()
    run = await firing.buffered(holder.job_id)
    assert await firing.take((run.service_id, run.id), until=LATER + SECOND) == []
    assert (await firing.run(run.id))["buffered"] is True


async def test_those_that_wait_are_not_forgotten_when_the_history_of_the_turn_is_dropped(
    firing: Firing,
):
    holder = await firing.running_run()
    run = await firing.buffered(holder.job_id)
    idle = await firing.running_run()
    await firing.finish(succeeded(idle))
    async with firing.database.driver() as driver:
        # As if the holder's fire time were long ago and its partition dropped.
        await driver.execute("DELETE FROM runs WHERE id = $1", holder.id)
        await driver.execute("UPDATE turns SET scheduled_for = scheduled_for - interval '9 years'")
        await drop_partitions(driver, (NOON - 3_000 * DAY).date())
    assert await firing.pass_overlap_locks() == [run.id]
    assert await firing.rows("SELECT FROM turns WHERE job_id = $1", idle.job_id) == []


async def test_a_job_that_lets_its_runs_overlap_from_now_on_needs_no_turns(firing: Firing):
    holder = await firing.running_run(every=3 * SECOND, now=NOON + SECOND)
    changes = Changes(overlap=Overlap.ALLOW_ALL)
    command = UpdateJob(caller=firing.caller, job_id=holder.job_id, changes=changes, now=DUE)
    await update_job(command, firing.shards)
    run = await firing.triggered(holder.job_id)
    assert await firing.begin(run, by=OTHER_WORKER, now=LATER)


@pytest.mark.promise("overlap: races")
async def test_in_a_storm_of_all_policies_no_two_ring_at_once_and_nobody_is_forgotten(
    firing: Firing, databases: list[Database]
):
    job = await firing.job(at=NOON + DAY)
    chosen = random.Random(7)
    policies = [chosen.choice([one for one in Overlap if one != "allow_all"]) for _ in range(40)]
    runs = [await firing.triggered(job.id, policy, by=uuid4()) for policy in policies]
    held_by = {run.id: (await firing.run(run.id))["held_by"] for run in runs}
    together = []

    async def live(run: TakenRun, by: UUID, database: Database) -> None:
        if not await firing.begin(run, by=by, now=LATER, database=database):
            return
        ((ringing,),) = await firing.rows(
            "SELECT count(*) FROM runs WHERE job_id = $1 AND state = 'running'", job.id
        )
        together.append(ringing)
        await finish_attempts([succeeded(run, by=by)], firing.shard)
        passed = await pass_overlap_locks(database, [(run.service_id, run.job_id)])
        for key in passed:
            await live_on(key, database)

    async def live_on(key: RunKey, database: Database) -> None:
        by = uuid4()
        for taken in await firing.take(key, by=by, until=LATER + SECOND):
            await live(taken, by, database)

    await asyncio.gather(
        *(live(run, held_by[run.id], databases[n % 2]) for n, run in enumerate(runs))
    )
    while passed := await firing.pass_overlap_locks():
        for run_id in passed:
            await live_on((firing.caller.service_id, run_id), databases[0])
    assert set(together) <= {0, 1}
    assert 1 in together
    ended_as = Counter(row["state"] for row in await firing.runs(job.id))
    assert ended_as.keys() <= {"succeeded", "cancelled", "skipped_overlap"}
    assert ended_as.total() == 40
