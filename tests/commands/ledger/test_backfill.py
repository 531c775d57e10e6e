"""Runs for fire times that have passed, made at a bounded rate."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest

from commands.backfills.cancel_backfill import CancelBackfill, cancel_backfill
from commands.backfills.continue_backfills import ADVISORY_SEED, DECIDE, continue_backfills
from commands.backfills.start_backfill import StartBackfill, start_backfill
from commands.firing.take_runs import TakenRun
from domain.errors import Invalid, NotFound
from domain.ids import run_id
from domain.jobs.backfill import Backfill, BackfillState
from domain.policies.overlap import Overlap
from domain.policies.retry import RetryPolicy
from storage.postgres.pools import Database
from storage.schema.retention import MARGIN, note_kept_from
from tests.commands.changing import delete, pause
from tests.commands.firing import (
    NOON,
    OTHER_WORKER,
    SECOND,
    Firing,
    failed,
    instants_of,
    succeeded,
)
from tests.storage.eventually import eventually

START = NOON - 600 * SECOND
EVERY = 10 * SECOND
TIMES = [START + number * EVERY for number in range(6)]
END = START + 6 * EVERY
TICK = timedelta(microseconds=1)
FAST = 60_000
ONCE = RetryPolicy(max_attempts=1)


async def begin(firing: Firing, job_id: UUID, **changes: Any) -> Backfill:
    defaults = {
        "caller": firing.caller,
        "job_id": job_id,
        "start": START,
        "end": END,
        "overlap": Overlap.ALLOW_ALL,
        "only_missing": False,
        "runs_per_minute": FAST,
        "dry_run": False,
        "now": NOON,
    }
    return await start_backfill(StartBackfill(**(defaults | changes)), firing.shards)


async def job(firing: Firing, **spec: Any) -> UUID:
    return (await firing.job(retry=ONCE, **(spec or {"every": EVERY}))).id


async def step(firing: Firing, now: datetime = NOON) -> list[UUID]:
    return [run for _, run in await continue_backfills(now, firing.database)]


async def read(firing: Firing, backfill: Backfill) -> Backfill:
    rows = await firing.rows("SELECT * FROM backfills WHERE id = $1", backfill.id)
    (row,) = rows
    return Backfill(**{name: row[name] for name in Backfill.__struct_fields__})


async def begin_run(firing: Firing, run: UUID) -> TakenRun:
    (taken,) = await firing.take((firing.caller.service_id, run), until=NOON)
    assert await firing.begin(taken, now=NOON)
    return taken


async def ring(firing: Firing, run: UUID, end: Any) -> None:
    await firing.finish(end(await begin_run(firing, run)))


@pytest.mark.promise("backfills", "backfill requests")
async def test_a_backfill_makes_a_run_for_each_fire_time_of_its_half_open_range(firing: Firing):
    job_id = await job(firing)
    backfill = await begin(firing, job_id)
    assert (backfill.state, backfill.total) == (BackfillState.RUNNING, 6)
    assert (backfill.done_count, backfill.run_count) == (0, 0)
    made = await step(firing)
    assert made == [run_id(job_id, instant, 1) for instant in TIMES]
    rows = await firing.runs(job_id)
    assert instants_of(rows) == TIMES
    for row in rows:
        assert (row["trigger"], row["state"], row["open"]) == ("backfill", "scheduled", True)
        assert (row["due_at"], row["overlap"]) == (NOON, "allow_all")
        assert (row["generation"], row["backfill_id"]) == (1, backfill.id)
    after = await read(firing, backfill)
    assert (after.state, after.finished_at) == ("completed", NOON)
    assert (after.done_count, after.run_count, after.total) == (6, 6, 6)
    assert await step(firing, NOON + 60 * SECOND) == []


@pytest.mark.parametrize(
    ("start", "end", "times"),
    [
        (START, START + TICK, TIMES[:1]),
        (START + TICK, TIMES[1], []),
        (START + TICK, TIMES[1] + TICK, TIMES[1:2]),
        (START - TICK, TIMES[2], TIMES[:2]),
    ],
)
async def test_the_range_holds_its_start_and_not_its_end(
    firing: Firing, start: datetime, end: datetime, times: list[datetime]
):
    job_id = await job(firing)
    backfill = await begin(firing, job_id, start=start, end=end)
    assert backfill.total == len(times)
    await step(firing)
    assert instants_of(await firing.runs(job_id)) == times
    assert (await read(firing, backfill)).state == "completed"


@pytest.mark.promise("backfill requests")
async def test_a_dry_run_counts_and_makes_nothing(firing: Firing):
    job_id = await job(firing)
    backfill = await begin(firing, job_id, dry_run=True)
    assert (backfill.total, backfill.run_count) == (6, 6)
    assert await step(firing) == []
    assert await firing.rows("SELECT FROM backfills") == []
    assert await firing.runs(job_id) == []
    rows = await firing.rows("SELECT FROM audit WHERE action = 'backfill.started'")
    assert rows == []


@pytest.mark.promise("backfills", "backfill requests")
async def test_only_fire_times_without_a_successful_run_are_made(firing: Firing):
    job_id = await job(firing)
    await begin(firing, job_id)
    made = await step(firing)
    for run in (made[0], made[3]):
        await ring(firing, run, succeeded)
    for run in (made[1], made[4]):
        await ring(firing, run, failed)
    assert await begin_run(firing, made[5])
    dry = await begin(firing, job_id, only_missing=True, dry_run=True)
    assert (dry.total, dry.run_count) == (6, 2)
    backfill = await begin(firing, job_id, only_missing=True)
    again = await step(firing)
    assert again == [run_id(job_id, TIMES[number], 2) for number in (1, 4)]
    after = await read(firing, backfill)
    assert (after.state, after.done_count, after.run_count) == ("completed", 6, 2)


async def test_two_backfills_of_what_is_missing_make_each_run_once(firing: Firing):
    job_id = await job(firing)
    for _ in range(2):
        await begin(firing, job_id, only_missing=True)
    assert await step(firing) == [run_id(job_id, instant, 1) for instant in TIMES]
    assert instants_of(await firing.runs(job_id)) == TIMES


async def test_two_backfills_that_two_dispatchers_go_on_with_at_once_make_each_run_once(
    firing: Firing, other_database: Database
):
    job_id = await job(firing)
    for _ in range(4):
        await begin(firing, job_id, only_missing=True, runs_per_minute=60)
    databases = (firing.database, other_database)
    for number in range(8):
        now = NOON + number * SECOND
        await asyncio.gather(*(continue_backfills(now, one) for one in databases))
    assert instants_of(await firing.runs(job_id)) == TIMES


async def test_a_step_leaves_a_job_alone_that_another_dispatcher_is_at(
    firing: Firing, other_database: Database
):
    job_id = await job(firing)
    await begin(firing, job_id, only_missing=True, runs_per_minute=60)
    await begin(firing, job_id, only_missing=True, runs_per_minute=60)
    async with other_database.driver() as driver, driver.transaction():
        # As if it had locked the first backfill and was about to write.
        await driver.execute("SELECT FROM backfills ORDER BY id LIMIT 1 FOR UPDATE")
        key = f"{firing.caller.service_id}/{job_id}"
        assert await driver.fetchval(DECIDE, key, ADVISORY_SEED)
        assert await step(firing) == []
    assert await step(firing) == [run_id(job_id, TIMES[0], 1), run_id(job_id, TIMES[1], 1)]


async def test_a_backfill_with_nothing_missing_is_completed_at_once(firing: Firing):
    job_id = await job(firing)
    await begin(firing, job_id)
    for run in await step(firing):
        await ring(firing, run, succeeded)
    backfill = await begin(firing, job_id, only_missing=True)
    assert await step(firing) == []
    after = await read(firing, backfill)
    assert (after.state, after.done_count, after.run_count) == ("completed", 6, 0)


async def test_missing_ones_are_made_at_the_rate_too(firing: Firing):
    job_id = await job(firing)
    await begin(firing, job_id)
    made = await step(firing)
    for number, run in enumerate(made):
        await ring(firing, run, succeeded if number in (0, 2) else failed)
    backfill = await begin(firing, job_id, only_missing=True, runs_per_minute=120)
    steps = [await step(firing, NOON + number * SECOND) for number in range(4)]
    expected = [[TIMES[1], TIMES[3]], [TIMES[4], TIMES[5]], [], []]
    assert steps == [[run_id(job_id, at, 2) for at in times] for times in expected]
    after = await read(firing, backfill)
    assert (after.state, after.done_count, after.run_count) == ("completed", 6, 4)


@pytest.mark.promise("backfill requests")
@pytest.mark.parametrize(
    ("rate", "made"),
    [(120, [2, 2, 2, 0]), (60, [1, 1, 1, 1]), (30, [1, 0, 1, 0]), (20, [1, 0, 0, 1])],
)
async def test_no_more_runs_are_made_than_the_rate_allows(
    firing: Firing, rate: int, made: list[int]
):
    job_id = await job(firing)
    await begin(firing, job_id, runs_per_minute=rate)
    counts = []
    for number in range(4):
        now = NOON + number * SECOND
        counts.append(len(await step(firing, now)))
        assert await step(firing, now + SECOND / 2) == []
    assert counts == made


async def test_the_position_is_kept_from_step_to_step(firing: Firing):
    job_id = await job(firing)
    backfill = await begin(firing, job_id, runs_per_minute=120)
    await step(firing)
    after = await read(firing, backfill)
    assert (after.state, after.done_count, after.run_count) == ("running", 2, 2)
    assert after.finished_at is None
    for number in range(1, 5):
        await step(firing, NOON + number * SECOND)
    assert instants_of(await firing.runs(job_id)) == TIMES


async def test_steps_that_are_made_at_once_make_each_run_once(firing: Firing):
    job_id = await job(firing)
    backfill = await begin(firing, job_id, runs_per_minute=120)
    for number in range(4):
        now = NOON + number * SECOND
        steps = await asyncio.gather(*(step(firing, now) for _ in range(5)))
        assert sum(map(len, steps)) == (2 if number < 3 else 0)
    assert instants_of(await firing.runs(job_id)) == TIMES
    assert (await read(firing, backfill)).state == "completed"


async def test_a_step_that_is_not_committed_is_made_again(
    firing: Firing, monkeypatch: pytest.MonkeyPatch
):
    job_id = await job(firing)
    backfill = await begin(firing, job_id)
    with monkeypatch.context() as patched:
        patched.setattr("commands.backfills.continue_backfills._MOVE_ON._text", "SELECT $1, 1 / 0")
        with pytest.raises(Exception):  # noqa: B017, PT011 (whatever ends the process)
            await step(firing)
    assert await firing.runs(job_id) == []
    await step(firing)
    assert instants_of(await firing.runs(job_id)) == TIMES
    assert (await read(firing, backfill)).run_count == 6


async def test_two_backfills_of_one_range_both_make_their_runs(firing: Firing):
    job_id = await job(firing)
    backfills = [await begin(firing, job_id) for _ in range(2)]
    made = await asyncio.gather(step(firing), step(firing))
    assert len({run for one in made for run in one}) == 12
    assert len(await firing.runs(job_id)) == 12
    for backfill in backfills:
        assert (await read(firing, backfill)).run_count == 6


@pytest.mark.promise("backfill requests")
async def test_a_cancelled_backfill_ends_with_the_runs_that_do_not_ring(firing: Firing):
    job_id = await job(firing)
    backfill = await begin(firing, job_id, runs_per_minute=180)
    over, ringing, waiting = await step(firing)
    await ring(firing, over, succeeded)
    (taken,) = await firing.take((firing.caller.service_id, ringing), until=NOON)
    assert await firing.begin(taken, now=NOON)
    command = CancelBackfill(caller=firing.caller, backfill_id=backfill.id, now=NOON + SECOND)
    answer = await cancel_backfill(command, firing.shards)
    assert (answer.state, answer.finished_at) == (BackfillState.CANCELLED, NOON + SECOND)
    assert (answer.done_count, answer.run_count) == (3, 3)
    states = [await firing.state(run) for run in (over, ringing, waiting)]
    assert states == ["succeeded", "running", "cancelled"]
    assert (await firing.run(waiting))["reason"] == "Its backfill was cancelled."
    assert await step(firing, NOON + 60 * SECOND) == []
    again = CancelBackfill(caller=firing.caller, backfill_id=backfill.id, now=NOON + 9 * SECOND)
    assert await cancel_backfill(again, firing.shards) == answer


async def test_cancelling_a_completed_backfill_ends_what_still_waits(firing: Firing):
    job_id = await job(firing)
    backfill = await begin(firing, job_id)
    made = await step(firing)
    command = CancelBackfill(caller=firing.caller, backfill_id=backfill.id, now=NOON + SECOND)
    answer = await cancel_backfill(command, firing.shards)
    assert (answer.state, answer.finished_at) == (BackfillState.COMPLETED, NOON)
    assert {await firing.state(run) for run in made} == {"cancelled"}


async def test_a_backfill_that_is_not_there_is_not_found(firing: Firing):
    command = CancelBackfill(caller=firing.caller, backfill_id=uuid4(), now=NOON)
    with pytest.raises(NotFound):
        await cancel_backfill(command, firing.shards)
    with pytest.raises(NotFound):
        await begin(firing, uuid4())


async def test_a_deleted_job_ends_its_backfills(firing: Firing):
    job_id = await job(firing)
    backfill = await begin(firing, job_id, runs_per_minute=120)
    made = await step(firing)
    await delete(firing.shards, firing.caller, job_id, NOON + SECOND)
    after = await read(firing, backfill)
    assert (after.state, after.finished_at) == ("cancelled", NOON + SECOND)
    assert {await firing.state(run) for run in made} == {"cancelled"}
    assert await step(firing, NOON + 60 * SECOND) == []


async def test_a_job_that_is_deleted_while_a_step_is_made_leaves_no_run_that_rings(
    firing: Firing,
):
    for _ in range(5):
        job_id = await job(firing)
        backfill = await begin(firing, job_id, runs_per_minute=120)
        await asyncio.gather(
            step(firing), delete(firing.shards, firing.caller, job_id, NOON + SECOND)
        )
        assert (await read(firing, backfill)).state == "cancelled"
        keys = [(row["service_id"], row["id"]) for row in await firing.runs(job_id)]
        if keys:
            assert await firing.take(*keys, until=NOON) == []
        states = {row["state"] for row in await firing.runs(job_id)}
        assert states <= {"cancelled"}


async def test_a_paused_job_may_be_backfilled(firing: Firing):
    job_id = await job(firing)
    await pause(firing.shards, firing.caller, job_id)
    await begin(firing, job_id)
    assert len(await step(firing)) == 6


@pytest.mark.promise("overlap: override")
async def test_runs_of_a_backfill_follow_its_own_overlap_policy(firing: Firing):
    job_id = (await firing.job(every=EVERY, overlap=Overlap.SKIP)).id
    await begin(firing, job_id, overlap=Overlap.BUFFER_ALL)
    made = await step(firing)
    keys = [(firing.caller.service_id, run) for run in made]
    first, *others = await firing.take(*keys, until=NOON)
    assert await firing.begin(first, now=NOON)
    for run in others:
        assert not await firing.begin(run, now=NOON)
    rows = await firing.runs(job_id)
    assert sorted(row["buffered"] for row in rows) == [False] + [True] * 5
    # They stand in the way of what the schedule fires, as any run does.
    fired = await firing.triggered(job_id, now=NOON)
    assert not await firing.begin(fired, by=OTHER_WORKER, now=NOON)
    assert await firing.state(fired.id) == "skipped_overlap"


async def test_a_schedule_that_names_nothing_in_the_range_is_completed_at_once(firing: Firing):
    job_id = await job(firing, at=NOON + 3_600 * SECOND)
    backfill = await begin(firing, job_id)
    assert backfill.total == 0
    assert await step(firing) == []
    assert (await read(firing, backfill)).state == "completed"


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"end": START}, "/end"),
        ({"end": START - SECOND}, "/end"),
        ({"end": NOON + TICK}, "/end"),
        ({"runs_per_minute": 0}, "/runs_per_minute"),
        ({"runs_per_minute": 60_001}, "/runs_per_minute"),
        ({"start": START - timedelta(days=366)}, "/end"),
    ],
)
@pytest.mark.parametrize("dry_run", [False, True])
async def test_a_range_or_a_rate_that_makes_no_sense_is_refused(
    firing: Firing, changes: dict[str, Any], pointer: str, dry_run: bool
):
    job_id = await job(firing)
    with pytest.raises(Invalid) as refusal:
        await begin(firing, job_id, dry_run=dry_run, **changes)
    assert refusal.value.pointer == pointer
    assert await firing.rows("SELECT FROM backfills") == []


async def test_days_that_are_dropped_soon_are_not_backfilled(firing: Firing):
    day = START.date()
    async with firing.database.driver() as driver:
        await note_kept_from(driver, day)
    job_id = await job(firing)
    for dry_run in (True, False):
        with pytest.raises(Invalid, match=f"start at {day + MARGIN}") as refusal:
            await begin(firing, job_id, dry_run=dry_run)
        assert refusal.value.pointer == "/start"
    async with firing.database.driver() as driver:
        await note_kept_from(driver, day - MARGIN)
    await begin(firing, job_id)


async def test_what_is_older_than_all_days_is_backfilled_and_kept_from_its_end_on(firing: Firing):
    async with firing.database.driver() as driver:
        await note_kept_from(driver, START.date())
    long_ago = timedelta(days=1_000)
    job_id = await job(firing)
    await begin(firing, job_id, start=START - long_ago, end=END - long_ago)
    assert await step(firing)


async def test_a_backfill_is_cancelled_while_its_job_is_deleted(firing: Firing):
    job_id = await job(firing)
    backfill = await begin(firing, job_id, runs_per_minute=60)
    run_id, *_ = await step(firing)
    cancelling = CancelBackfill(caller=firing.caller, backfill_id=backfill.id, now=NOON)
    async with firing.database.driver() as other, other.transaction():
        await other.execute("UPDATE runs SET trigger = trigger WHERE id = $1", run_id)
        ends = [asyncio.ensure_future(delete(firing.shards, firing.caller, job_id))]
        await eventually(partial(_wait, firing, 1), what="the one waits for the run")
        ends.append(asyncio.ensure_future(cancel_backfill(cancelling, firing.shards)))
        await eventually(partial(_wait, firing, 2), what="the other waits, too")
    await asyncio.gather(*ends)
    assert (await read(firing, backfill)).state == BackfillState.CANCELLED
    assert {run["state"] for run in await firing.runs(job_id)} == {"cancelled"}


async def _wait(firing: Firing, count: int) -> bool:
    waiting = await firing.rows(
        "SELECT FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    return len(waiting) == count
