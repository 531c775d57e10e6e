"""Calendars that change under the jobs that name them."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest

from commands.calendars import put_calendar as put_calendar_module
from commands.calendars.delete_calendar import DeleteCalendar, delete_calendar
from domain.errors import Conflict, Invalid, NotFound
from domain.jobs.job import Job
from domain.schedules.schedule import Exclusion, Schedule
from tests.commands.changing import delete, pause, resume, update
from tests.commands.firing import NOON, SECOND, Firing, instants_of
from tests.commands.naming import (
    DAY,
    HALF_AN_HOUR,
    MINUTE,
    NAMING,
    TODAY,
    naming_job,
    next_fire,
    put,
    settle,
)
from tests.commands.telling import ledger, told
from tests.storage.eventually import eventually


async def test_a_job_does_not_fire_on_the_days_of_its_calendar(firing: Firing):
    await put(firing, TODAY)
    job = await naming_job(firing)
    assert job.next_fire_at == (NOON + DAY).replace(hour=0)
    assert (await firing.claim(NOON + 90 * MINUTE, now=NOON + 90 * MINUTE)).runs == []


async def test_a_calendar_that_is_not_there_cannot_be_named(firing: Firing):
    with pytest.raises(Invalid, match="no calendar") as refusal:
        await naming_job(firing)
    assert refusal.value.pointer == "/schedule/exclude/0/calendar"


@pytest.mark.promise("exclude")
async def test_a_changed_calendar_moves_the_next_fire_time_at_once(firing: Firing):
    assert (await put(firing)).version == 1
    job = await naming_job(firing)
    assert await next_fire(firing, job.id) == NOON
    assert (await put(firing, HALF_AN_HOUR, now=NOON - SECOND)).version == 2
    assert await next_fire(firing, job.id) == NOON + 30 * MINUTE
    await put(firing, now=NOON - SECOND)
    assert await next_fire(firing, job.id) == NOON
    assert (await firing.job_row(job.id))["version"] == 3


async def test_runs_claimed_ahead_are_withdrawn_and_told_of_as_excluded_once(firing: Firing):
    await put(firing)
    job = await naming_job(firing)
    await firing.claim(NOON + 2 * MINUTE)
    now = NOON + SECOND
    await put(firing, HALF_AN_HOUR, now=now)
    assert instants_of(await firing.runs(job.id)) == [NOON]
    assert await next_fire(firing, job.id) == NOON + 30 * MINUTE
    await firing.claim(NOON + 31 * MINUTE, now=NOON + 30 * MINUTE)
    expected = [(0, 0, "run"), (1, 29, "excluded"), (30, 30, "run"), (31, 31, "run")]
    assert await told(firing, job.id, NOON + 31 * MINUTE) == expected
    await put(firing, HALF_AN_HOUR, TODAY, now=NOON + 31 * MINUTE)
    assert await told(firing, job.id, NOON + 31 * MINUTE) == expected


async def test_what_was_excluded_ahead_may_run_when_the_calendar_lets_it(firing: Firing):
    await put(firing, Exclusion(cron="1-3 12 * * *"))
    job = await naming_job(firing)
    await firing.claim(NOON + 5 * MINUTE)
    now = NOON + 90 * SECOND
    await put(firing, now=now)
    await firing.claim(NOON + 5 * MINUTE, now=now)
    assert await told(firing, job.id, NOON + 5 * MINUTE) == [
        (0, 0, "run"),
        (1, 1, "excluded"),
        *((n, n, "run") for n in range(2, 6)),
    ]


async def test_what_the_old_calendar_excluded_stays_excluded_when_it_is_emptied(firing: Firing):
    await put(firing, HALF_AN_HOUR)
    job = await naming_job(firing)
    now = NOON + 10 * MINUTE + SECOND
    await put(firing, now=now)
    assert await next_fire(firing, job.id) == NOON + 11 * MINUTE
    await firing.claim(NOON + 12 * MINUTE, now=NOON + 12 * MINUTE)
    assert await told(firing, job.id, NOON + 12 * MINUTE) == [
        (0, 10, "excluded"),
        (11, 11, "run"),
        (12, 12, "run"),
    ]


async def test_a_late_job_keeps_what_was_excluded_and_is_caught_up_with_the_new_calendar(
    firing: Firing,
):
    await put(firing, Exclusion(cron="0-4 12 * * *"))
    job = await naming_job(firing)
    now = NOON + 10 * MINUTE + SECOND
    await put(firing, Exclusion(cron="8 12 * * *"), now=now)
    await firing.claim(now, now=now)
    assert await told(firing, job.id, now) == [
        (0, 4, "excluded"),
        *((n, n, "run") for n in (5, 6, 7)),
        (8, 8, "excluded"),
        (9, 9, "run"),
        (10, 10, "run"),
    ]


async def test_a_job_that_its_calendar_ends_comes_back_with_it(firing: Firing):
    await put(firing)
    job = await naming_job(firing, end_at=NOON + 20 * MINUTE)
    await put(firing, HALF_AN_HOUR)
    assert await next_fire(firing, job.id) is None
    await put(firing, now=NOON + 10 * MINUTE + SECOND)
    assert await next_fire(firing, job.id) == NOON + 11 * MINUTE
    await firing.claim(NOON + 11 * MINUTE, now=NOON + 11 * MINUTE)
    expected = [(0, 10, "excluded"), (11, 11, "run")]
    assert await told(firing, job.id, NOON + 11 * MINUTE) == expected


async def test_a_pause_tells_what_is_excluded_apart(firing: Firing):
    await put(firing, Exclusion(cron="2-3 12 * * *"))
    job = await naming_job(firing)
    await pause(firing.shards, firing.caller, job.id, NOON - SECOND)
    now = NOON + 5 * MINUTE
    expected = [(0, 1, "paused"), (2, 3, "excluded"), (4, 5, "paused")]
    assert await told(firing, job.id, now) == expected
    assert [one.count for one in await ledger(firing, job.id, now)] == [2, 2, 2]
    await put(firing, Exclusion(cron="2-3 12 * * *"), now=now)
    await resume(firing.shards, firing.caller, job.id, now)
    assert await told(firing, job.id, now) == expected
    assert await next_fire(firing, job.id) == NOON + 6 * MINUTE


async def test_a_calendar_does_not_bring_back_a_job_that_has_had_its_runs(firing: Firing):
    await put(firing)
    job = await naming_job(firing, max_runs=1)
    await firing.claim(NOON)
    await put(firing, Exclusion(cron="3 12 * * *"), now=NOON + MINUTE)
    assert await next_fire(firing, job.id) == NOON  # its run is not over
    assert await told(firing, job.id, NOON + 10 * MINUTE) == [(0, 0, "run")]


async def test_a_calendar_in_use_cannot_be_deleted(firing: Firing):
    await put(firing)
    job = await naming_job(firing)
    command = DeleteCalendar(caller=firing.caller, name="holidays", now=NOON)
    with pytest.raises(Conflict, match=str(job.id)):
        await delete_calendar(command, firing.shards)
    await delete(firing.shards, firing.caller, job.id)
    await delete_calendar(command, firing.shards)
    with pytest.raises(NotFound):
        await delete_calendar(command, firing.shards)


async def test_jobs_that_are_stored_or_deleted_meanwhile_go_by_the_calendar_as_it_is_then(
    firing: Firing,
):
    for number in range(6):
        exclude = [HALF_AN_HOUR] if number % 2 else []
        gone = await naming_job(firing) if number else None
        if number == 0:
            await put(firing)
        jobs = await asyncio.gather(
            *(naming_job(firing) for _ in range(3)),
            put(firing, *exclude, now=NOON - SECOND),
            *([delete(firing.shards, firing.caller, gone.id)] if gone else []),
        )
        expected = NOON + 30 * MINUTE if exclude else NOON
        await settle(firing, now=NOON - SECOND)
        for job in jobs[:3]:
            assert await next_fire(firing, job.id) == expected
            await delete(firing.shards, firing.caller, job.id)


async def test_claims_and_changes_of_a_calendar_at_the_same_time_leave_no_gap(firing: Firing):
    await put(firing)
    job = await naming_job(firing)
    for number in range(1, 8):
        now = NOON + number * MINUTE + SECOND
        exclude = [Exclusion(cron="*/2 12 * * *")] if number % 2 else [HALF_AN_HOUR]
        await asyncio.gather(firing.claim(now + MINUTE, now=now), put(firing, *exclude, now=now))
        await settle(firing, now=now)
    now = NOON + 41 * MINUTE  # which neither excludes
    await firing.claim(now, now=now)
    position = -1.0
    for first, last, _ in await told(firing, job.id, now):
        assert first == position + 1
        position = last
    assert position == 41


async def test_an_edit_of_a_job_that_has_just_come_to_name_the_calendar_fails_neither(
    firing: Firing, monkeypatch: pytest.MonkeyPatch
):
    await put(firing)
    edits: list[asyncio.Task[Job]] = []
    store = put_calendar_module._store

    async def store_and_have_it_edited(*arguments: Any) -> Any:
        job = await naming_job(firing)
        stored = await store(*arguments)
        schedule = Schedule(accepted_at=NOON, every=2 * MINUTE, exclude=NAMING)
        editing = update(firing.shards, firing.caller, job.id, NOON, schedule=schedule)
        edits.append(asyncio.create_task(editing))
        await eventually(partial(someone_waits_for_a_lock, firing))
        return stored

    monkeypatch.setattr(put_calendar_module, "_store", store_and_have_it_edited)
    calendar = await put(firing, HALF_AN_HOUR)
    edited = await edits[0]
    await settle(firing)
    assert (calendar.version, edited.version) == (2, 2)
    row = await firing.job_row(edited.id)
    assert row["next_fire_for"] == NOON + 30 * MINUTE
    assert len(await firing.rows("SELECT FROM audit WHERE action = 'calendar.put'")) == 2


async def someone_waits_for_a_lock(firing: Firing) -> bool:
    rows = await firing.rows(
        "SELECT FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    return bool(rows)


async def test_edits_and_changes_of_calendars_at_the_same_time_do_not_fail(firing: Firing):
    await put(firing)
    made = [await naming_job(firing) for _ in range(6)]
    plain = Schedule(accepted_at=NOON, every=MINUTE)
    naming = Schedule(accepted_at=NOON, every=MINUTE, exclude=NAMING)
    for number in range(6):
        exclude = [] if number % 2 else [HALF_AN_HOUR]
        await asyncio.gather(
            *(put(firing, *exclude) for _ in range(2)),
            *(
                update(firing.shards, firing.caller, job.id, NOON, schedule=schedule)
                for job in made
                for schedule in (plain, naming)
            ),
        )
    await settle(firing)
    for job in made:
        row = await firing.job_row(job.id)
        assert row["next_fire_for"] <= NOON + MINUTE
