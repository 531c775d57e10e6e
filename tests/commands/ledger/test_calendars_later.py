"""Jobs that a request leaves to dispatchers when it changes their calendar."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from commands.calendars import put_calendar as put_calendar_module
from commands.firing.claims import claim_runs as claim_runs_module
from commands.firing.claims.claim_runs import ClaimedRun
from domain.errors import Busy
from domain.schedules.schedule import Exclusion, Schedule
from tests.commands.changing import delete, pause, resume, update
from tests.commands.firing import NOON, SECOND, Firing, instants_of
from tests.commands.naming import (
    HALF_AN_HOUR,
    MINUTE,
    NAMING,
    left,
    naming_job,
    next_fire,
    put,
    settle,
)
from tests.commands.telling import told
from tests.storage.eventually import eventually
from workers.dispatcher.calendars import Calendars

HALF_PAST = NOON + 30 * MINUTE


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Has a step bring up so many jobs, and no more; at first none."""

    def bring_up(jobs: int) -> None:
        monkeypatch.setattr("commands.calendars.continue_calendars.JOBS_AT_ONCE", jobs)

    bring_up(0)
    return bring_up


async def test_a_request_brings_up_some_jobs_and_dispatchers_the_others(
    firing: Firing, later: Callable[[int], None]
):
    await put(firing)
    jobs = [await naming_job(firing) for _ in range(7)]
    later(3)
    await put(firing, HALF_AN_HOUR, now=NOON - MINUTE)
    fires = [await next_fire(firing, job.id) for job in jobs]
    assert fires == [HALF_PAST] * 3 + [NOON] * 4
    calendars, steps = Calendars(firing.shard), 0
    while await calendars.step(NOON - MINUTE):
        steps += 1
    assert steps == 1
    assert await left(firing) is None
    assert [await next_fire(firing, job.id) for job in jobs] == [HALF_PAST] * 7
    assert {(await firing.job_row(job.id))["version"] for job in jobs} == {2}


async def test_those_that_fall_due_come_first(firing: Firing, later: Callable[[int], None]):
    await put(firing)
    far = [await naming_job(firing, every=60 * MINUTE, phase=MINUTE) for _ in range(3)]
    soon = await naming_job(firing)
    await put(firing, HALF_AN_HOUR, now=NOON - SECOND)
    later(1)
    await Calendars(firing.shard).step(NOON - SECOND)
    assert await next_fire(firing, soon.id) == HALF_PAST
    assert {await next_fire(firing, job.id) for job in far} == {NOON + MINUTE}


async def test_what_was_claimed_ahead_is_gone_when_the_request_is_answered(
    firing: Firing, later: Callable[[int], None]
):
    await put(firing)
    job, limited = await naming_job(firing), await naming_job(firing, max_runs=5)
    begun = await naming_job(firing)
    await firing.claim(NOON + 2 * MINUTE)
    await put(firing, HALF_AN_HOUR, now=NOON + SECOND)
    for one in (job, limited, begun):
        assert instants_of(await firing.runs(one.id)) == [NOON]
    assert (await firing.job_row(limited.id))["run_count"] == 1
    later(100)
    await settle(firing, now=NOON + 2 * SECOND)
    await firing.claim(NOON + 31 * MINUTE, now=NOON + 30 * MINUTE)
    expected = [(0, 0, "run"), (1, 29, "excluded"), (30, 30, "run"), (31, 31, "run")]
    for one in (job, limited, begun):
        assert await told(firing, one.id, NOON + 31 * MINUTE) == expected


async def test_a_job_that_is_not_brought_up_is_set_aside_and_rings_neither_way(
    firing: Firing, later: Callable[[int], None]
):
    await put(firing)
    job = await naming_job(firing)
    await put(firing, Exclusion(cron="0 12 * * *"), now=NOON - SECOND)
    assert (await firing.claim(NOON + 2 * MINUTE)).runs == []
    assert (await firing.job_row(job.id))["next_claim_at"] > NOON + 2 * MINUTE
    later(100)
    await settle(firing)
    await firing.claim(NOON + 2 * MINUTE)
    expected = [(0, 0, "excluded"), (1, 1, "run"), (2, 2, "run")]
    assert await told(firing, job.id, NOON + 2 * MINUTE) == expected


async def test_a_job_that_comes_to_name_the_calendar_meanwhile_is_not_behind(
    firing: Firing, later: Callable[[int], None]
):
    await put(firing)
    edited = await firing.job(every=60 * MINUTE, phase=MINUTE, now=NOON - MINUTE)
    await naming_job(firing)
    await put(firing, HALF_AN_HOUR, now=NOON - MINUTE)  # which that one is behind
    made = await naming_job(firing)
    named = Schedule(every=MINUTE, accepted_at=NOON - SECOND, exclude=NAMING)
    await update(firing.shards, firing.caller, edited.id, NOON - SECOND, schedule=named)
    runs = (await firing.claim(HALF_PAST, now=HALF_PAST)).runs
    assert sorted(await _jobs_of(firing, runs)) == sorted([made.id, edited.id])
    later(100)
    await settle(firing)
    versions = [(await firing.job_row(job.id))["version"] for job in (made, edited)]
    assert versions == [1, 2]


async def _jobs_of(firing: Firing, runs: Sequence[ClaimedRun]) -> list[UUID]:
    return [(await firing.run(run.id))["job_id"] for run in runs]


async def test_each_calendar_excludes_what_it_did_while_it_was_in_force(
    firing: Firing, later: Callable[[int], None]
):
    await put(firing, HALF_AN_HOUR)
    job = await naming_job(firing)
    await put(firing, now=NOON + 3 * MINUTE + SECOND)
    await put(firing, Exclusion(cron="5,8 12 * * *"), now=NOON + 4 * MINUTE + SECOND)
    later(100)
    await settle(firing, now=NOON + 6 * MINUTE + SECOND)
    await firing.claim(NOON + 9 * MINUTE, now=NOON + 9 * MINUTE)
    assert await told(firing, job.id, NOON + 9 * MINUTE) == [
        (0, 3, "excluded"),
        (4, 4, "run"),
        (5, 5, "excluded"),
        (6, 6, "run"),
        (7, 7, "run"),
        (8, 8, "excluded"),
        (9, 9, "run"),
    ]


async def test_changes_of_two_calendars_are_kept_apart(
    firing: Firing, later: Callable[[int], None]
):
    other = "other"
    await put(firing)
    await put(firing, name=other)
    both = (*NAMING, Exclusion(calendar=other))
    job = await naming_job(firing, exclude=both)
    await put(firing, Exclusion(cron="0 12 * * *"), now=NOON - 2 * SECOND)
    await put(firing, Exclusion(cron="1 12 * * *"), name=other, now=NOON - SECOND)
    later(100)
    await settle(firing)
    assert await next_fire(firing, job.id) == NOON + 2 * MINUTE


Command = Callable[[Firing, Any], Awaitable[object]]


async def edit(firing: Firing, job_id: Any) -> object:
    schedule = Schedule(accepted_at=NOON, every=2 * MINUTE, exclude=NAMING)
    return await update(firing.shards, firing.caller, job_id, NOON, schedule=schedule)


async def rename(firing: Firing, job_id: Any) -> object:
    return await update(firing.shards, firing.caller, job_id, NOON, name="another")


async def pause_and_resume(firing: Firing, job_id: Any) -> object:
    await pause(firing.shards, firing.caller, job_id, NOON - SECOND)
    return await resume(firing.shards, firing.caller, job_id, NOON)


@pytest.mark.parametrize("command", [edit, rename, pause_and_resume])
async def test_a_command_brings_its_job_up_first(
    firing: Firing, later: Callable[[int], None], command: Command
):
    await put(firing, Exclusion(cron="0-4 12 * * *"))
    job = await naming_job(firing)
    await put(firing, HALF_AN_HOUR, now=NOON - MINUTE)
    await command(firing, job.id)
    assert await next_fire(firing, job.id) == HALF_PAST
    later(100)
    await settle(firing)
    assert await next_fire(firing, job.id) == HALF_PAST


async def test_a_job_may_be_deleted_meanwhile(firing: Firing, later: Callable[[int], None]):
    await put(firing)
    jobs = [await naming_job(firing) for _ in range(3)]
    await put(firing, HALF_AN_HOUR, now=NOON - MINUTE)
    later(100)
    await asyncio.gather(
        settle(firing), *(delete(firing.shards, firing.caller, job.id) for job in jobs)
    )
    await settle(firing)
    assert await left(firing) is None


async def test_a_request_that_dies_before_it_withdraws_is_made_up_for(
    firing: Firing, later: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
):
    async def die(*_: object) -> None:
        raise ConnectionError

    await put(firing)
    job = await naming_job(firing)
    await firing.claim(NOON + 2 * MINUTE)
    with monkeypatch.context() as dying:
        dying.setattr(put_calendar_module, "_withdraw_ahead", die)
        with pytest.raises(ConnectionError):
            await put(firing, HALF_AN_HOUR, now=NOON + SECOND)
    later(100)
    await Calendars(firing.shard).step(NOON + SECOND)
    assert instants_of(await firing.runs(job.id)) == [NOON]
    assert await next_fire(firing, job.id) == HALF_PAST


async def test_a_claim_that_has_read_the_calendar_before_is_waited_for(
    firing: Firing, later: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
):
    await put(firing)
    job = await naming_job(firing)
    read, may_write = asyncio.Event(), asyncio.Event()
    write = claim_runs_module._write

    async def write_later(*arguments: Any) -> Any:
        read.set()
        await may_write.wait()
        return await write(*arguments)

    monkeypatch.setattr(claim_runs_module, "_write", write_later)
    claiming = asyncio.create_task(firing.claim(NOON + 4 * SECOND))
    await read.wait()
    putting = asyncio.create_task(put(firing, HALF_AN_HOUR, now=NOON - SECOND))
    await eventually(partial(_someone_waits, firing), what="the request waits for the job")
    may_write.set()
    await asyncio.gather(claiming, putting)
    assert await firing.runs(job.id) == []


async def test_a_run_that_begins_at_that_moment_is_waited_for(
    firing: Firing, later: Callable[[int], None]
):
    await put(firing)
    job = await naming_job(firing)
    await firing.claim(NOON + 4 * SECOND)
    (run,) = await firing.runs(job.id)
    async with firing.database.driver() as driver:
        beginning = driver.transaction()
        await beginning.start()
        await driver.execute("UPDATE runs SET held_by = held_by WHERE id = $1", run["id"])
        putting = asyncio.create_task(put(firing, HALF_AN_HOUR, now=NOON - SECOND))
        done, _ = await asyncio.wait([putting], timeout=0.3)
        assert not done
        await beginning.rollback()
    await putting
    assert await firing.runs(job.id) == []


async def test_what_is_put_again_as_it_was_changes_no_job(firing: Firing):
    await put(firing, HALF_AN_HOUR)
    job = await naming_job(firing)
    assert (await put(firing, HALF_AN_HOUR)).version == 2
    assert await left(firing) is None
    assert (await firing.job_row(job.id))["version"] == 1


async def test_no_more_changes_wait_than_may(
    firing: Firing, later: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("storage.jobs.calendar_changes.MOST_CHANGES", 1)
    await put(firing)
    await naming_job(firing)
    assert (await put(firing, HALF_AN_HOUR)).version == 2
    with pytest.raises(Busy, match="try again"):
        await put(firing)
    later(100)
    await settle(firing)
    assert (await put(firing)).version == 3


async def test_a_calendar_that_no_job_names_leaves_nothing_to_be_done(
    firing: Firing, later: Callable[[int], None]
):
    await put(firing)
    await put(firing, HALF_AN_HOUR)
    assert await left(firing) is None


async def _someone_waits(firing: Firing) -> bool:
    rows = await firing.rows(
        "SELECT FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    return bool(rows)
