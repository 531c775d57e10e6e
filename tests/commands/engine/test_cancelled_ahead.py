"""A run that was cancelled before its fire time keeps it, whatever becomes of those around it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from commands.backfills.continue_backfills import continue_backfills
from commands.backfills.start_backfill import StartBackfill, start_backfill
from commands.calendars.put_calendar import PutCalendar, put_calendar
from commands.firing.claims import claim_runs
from commands.jobs.resume_job import ResumeJob, resume_job
from commands.runs.cancel_runs import CancelRun, cancel_run
from domain.policies.catchup import CatchupPolicy, Coalesce
from domain.policies.overlap import Overlap
from domain.runs.run import RunState
from domain.schedules.schedule import Exclusion, Schedule
from queries.jobs.get_ledger import LedgerRow
from tests.commands.changing import Change, delete, pause, resume, retarget, update
from tests.commands.firing import ALL_OF_THEM, NOON, SECOND, Firing
from tests.commands.telling import ledger, told

MINUTE = 60 * SECOND
BEFORE = NOON - SECOND
LATER = NOON + 5 * MINUTE
ABOUT_IT = [(0, 1, "paused"), (2, 2, "cancelled"), (3, 5, "paused")]


async def cancelled_ahead(
    firing: Firing, *, catchup: CatchupPolicy = ALL_OF_THEM, cancelled: int = 2, **spec: Any
) -> UUID:
    """A job of every minute, claimed from noon to 3 past; the run at 2 past was cancelled."""
    job = await firing.job(every=MINUTE, now=BEFORE, catchup=catchup, **spec)
    await firing.claim(NOON + 3 * MINUTE, now=BEFORE)
    await cancel(firing, (await firing.runs(job.id))[cancelled]["id"])
    return job.id


async def cancel(firing: Firing, run_id: UUID) -> None:
    command = CancelRun(caller=firing.caller, run_id=run_id, now=BEFORE)
    await cancel_run(command, firing.shards)


async def reschedule(firing: Firing, job_id: UUID, now: datetime, **spec: Any) -> None:
    schedule = Schedule(accepted_at=now, **spec)
    await update(firing.shards, firing.caller, job_id, now, schedule=schedule)


async def catch_up(firing: Firing, job_id: UUID, now: datetime) -> None:
    command = ResumeJob(caller=firing.caller, job_id=job_id, now=now, catch_up=True)
    await resume_job(command, firing.shards)


async def put_lunch(firing: Firing, *exclude: Exclusion) -> None:
    command = PutCalendar(
        caller=firing.caller, name="lunch", description="", exclude=exclude, now=BEFORE
    )
    await put_calendar(command, firing.shards)


async def minutes_run(firing: Firing, job_id: UUID) -> list[float]:
    """When runs of the schedule are or were to ring, in minutes past noon."""
    return [
        (row["scheduled_for"] - NOON) / MINUTE
        for row in await firing.runs(job_id)
        if row["trigger"] == "schedule" and row["state"] != RunState.CANCELLED
    ]


async def test_a_pause_that_goes_on_leaves_it_out(firing: Firing):
    job_id = await cancelled_ahead(firing)
    await pause(firing.shards, firing.caller, job_id, BEFORE)
    assert await told(firing, job_id, LATER) == ABOUT_IT
    entries = await ledger(firing, job_id, LATER)
    assert [one.count for one in entries] == [2, 1, 3]
    assert [one.run_id is None for one in entries] == [True, False, True]


async def test_a_pause_that_is_over_leaves_it_out(firing: Firing):
    job_id = await cancelled_ahead(firing)
    await pause(firing.shards, firing.caller, job_id, BEFORE)
    going_on = await ledger(firing, job_id, LATER)
    await resume(firing.shards, firing.caller, job_id, LATER)
    assert await ledger(firing, job_id, LATER) == going_on


@pytest.mark.parametrize("cancelled", [0, 1, 2])
async def test_a_pause_may_begin_with_it(firing: Firing, cancelled: int):
    job_id = await cancelled_ahead(firing, cancelled=cancelled)
    now = NOON + cancelled * MINUTE - SECOND
    await pause(firing.shards, firing.caller, job_id, now)
    assert (await told(firing, job_id, LATER))[-2:] == [
        (cancelled, cancelled, "cancelled"),
        (cancelled + 1, 5, "paused"),
    ]


@pytest.mark.parametrize("over", [False, True])
@pytest.mark.parametrize("limit", [1, 2, 3])
async def test_pages_hold_it_between_the_two_parts(firing: Firing, limit: int, over: bool):
    job_id = await cancelled_ahead(firing)
    await pause(firing.shards, firing.caller, job_id, BEFORE)
    if over:
        await resume(firing.shards, firing.caller, job_id, LATER)
    found: list[LedgerRow] = []
    after: datetime | None = None
    while page := await ledger(firing, job_id, LATER, limit=limit, after=after):
        found += page
        after = page[-1].scheduled_for
    assert found == await ledger(firing, job_id, LATER)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [(0, 2, ABOUT_IT[:1]), (2, 3, ABOUT_IT[1:2]), (3, 9, ABOUT_IT[2:]), (1.5, 9, ABOUT_IT[1:])],
)
async def test_a_range_shows_the_parts_that_reach_into_it(
    firing: Firing, start: float, end: float, expected: list[tuple[int, int, str]]
):
    job_id = await cancelled_ahead(firing)
    await pause(firing.shards, firing.caller, job_id, BEFORE)
    entries = await ledger(
        firing, job_id, LATER, start=NOON + start * MINUTE, end=NOON + end * MINUTE
    )
    assert [one.scheduled_for for one in entries] == [
        NOON + first * MINUTE for first, _, _ in expected
    ]


async def test_who_resumes_within_the_look_ahead_has_the_others_run(firing: Firing):
    job_id = await cancelled_ahead(firing)
    await pause(firing.shards, firing.caller, job_id, BEFORE)
    await resume(firing.shards, firing.caller, job_id, NOON + SECOND)
    await firing.claim(NOON + 3 * MINUTE, now=NOON + 2 * SECOND)
    assert await told(firing, job_id, NOON + 3 * MINUTE) == [
        (0, 0, "paused"),
        (1, 1, "run"),
        (2, 2, "cancelled"),
        (3, 3, "run"),
    ]


@pytest.mark.parametrize(
    ("coalesce", "expected"),
    [
        (Coalesce.LATEST, [(0, 1, "coalesced"), (2, 2, "cancelled"), (3, 4, "coalesced")]),
        (Coalesce.EARLIEST, [(1, 1, "coalesced"), (2, 2, "cancelled"), (3, 5, "coalesced")]),
    ],
)
async def test_who_catches_up_on_a_pause_does_so_on_the_others(
    firing: Firing, coalesce: Coalesce, expected: list[tuple[int, int, str]]
):
    policy = CatchupPolicy(window=60 * MINUTE, coalesce=coalesce)
    job_id = await cancelled_ahead(firing, catchup=policy)
    await pause(firing.shards, firing.caller, job_id, BEFORE)
    now = LATER + 30 * SECOND
    await catch_up(firing, job_id, now)
    await firing.claim(now, now=now)
    ran = 5 if coalesce is Coalesce.LATEST else 0
    assert await told(firing, job_id, now) == sorted([*expected, (ran, ran, "run")])


@pytest.mark.parametrize(("coalesce", "cancelled"), [(Coalesce.LATEST, 2), (Coalesce.EARLIEST, 0)])
async def test_it_is_not_chosen_to_stand_for_missed_ones(
    firing: Firing, coalesce: Coalesce, cancelled: int
):
    policy = CatchupPolicy(window=60 * MINUTE, coalesce=coalesce)
    job_id = await cancelled_ahead(firing, catchup=policy, cancelled=cancelled)
    await pause(firing.shards, firing.caller, job_id, BEFORE)
    now = NOON + 2 * MINUTE + 30 * SECOND
    await catch_up(firing, job_id, now)
    await firing.claim(now, now=now)
    assert await minutes_run(firing, job_id) == [1]


async def test_a_dispatcher_that_comes_late_after_an_edit_missed_only_the_others(firing: Firing):
    job_id = await cancelled_ahead(firing, catchup=CatchupPolicy(window=timedelta(0)))
    await update(firing.shards, firing.caller, job_id, BEFORE, overlap=Overlap.ALLOW_ALL)
    await firing.claim(LATER, now=LATER + 30 * SECOND)
    assert await told(firing, job_id, LATER) == [
        (0, 1, "missed"),
        (2, 2, "cancelled"),
        (3, 5, "missed"),
    ]


async def test_a_schedule_that_names_it_again_gives_it_no_second_run(firing: Firing):
    job_id = await cancelled_ahead(firing)
    await reschedule(firing, job_id, BEFORE, every=2 * MINUTE)
    await firing.claim(NOON + 4 * MINUTE, now=BEFORE)
    assert await told(firing, job_id, NOON + 4 * MINUTE) == [
        (0, 0, "run"),
        (2, 2, "cancelled"),
        (4, 4, "run"),
    ]
    assert len(await firing.runs(job_id)) == 3


async def test_a_schedule_that_does_not_name_it_leaves_it_told_once(firing: Firing):
    job_id = await cancelled_ahead(firing, catchup=CatchupPolicy(window=timedelta(0)))
    await reschedule(firing, job_id, BEFORE, every=3 * MINUTE)
    await firing.claim(NOON + 7 * MINUTE, now=NOON + 7 * MINUTE)
    assert await told(firing, job_id, NOON + 7 * MINUTE) == [
        (0, 0, "missed"),
        (2, 2, "cancelled"),
        (3, 6, "missed"),
    ]


async def test_an_edit_in_a_pause_leaves_it_told_once(firing: Firing):
    job_id = await cancelled_ahead(firing)
    await pause(firing.shards, firing.caller, job_id, BEFORE)
    await reschedule(firing, job_id, NOON + 90 * SECOND, every=MINUTE)
    assert await told(firing, job_id, LATER) == ABOUT_IT
    await reschedule(firing, job_id, LATER + SECOND, every=60 * MINUTE)
    assert await told(firing, job_id, LATER + SECOND) == ABOUT_IT


async def test_an_edit_while_no_dispatcher_came_leaves_it_told_once(firing: Firing):
    job_id = await cancelled_ahead(firing)
    await update(firing.shards, firing.caller, job_id, BEFORE, overlap=Overlap.ALLOW_ALL)
    await reschedule(firing, job_id, LATER + SECOND, every=60 * MINUTE)
    assert await told(firing, job_id, LATER + SECOND) == [
        (0, 0, "run"),
        (1, 1, "cancelled"),
        (2, 2, "cancelled"),
        (3, 5, "cancelled"),
    ]


async def test_a_calendar_that_excludes_it_comes_too_late(firing: Firing):
    await put_lunch(firing)
    job_id = await cancelled_ahead(firing, exclude=(Exclusion(calendar="lunch"),))
    await put_lunch(firing, Exclusion(cron="1-4 12 * * *"))
    await firing.claim(LATER, now=BEFORE)
    assert await told(firing, job_id, LATER) == [
        (0, 0, "run"),
        (1, 1, "excluded"),
        (2, 2, "cancelled"),
        (3, 4, "excluded"),
        (5, 5, "run"),
    ]


@pytest.mark.parametrize("resumed_at", [BEFORE, NOON + 3 * MINUTE + SECOND])
async def test_it_counts_as_one_of_a_number_of_runs(firing: Firing, resumed_at: datetime):
    job_id = await cancelled_ahead(firing, max_runs=3)
    await pause(firing.shards, firing.caller, job_id, BEFORE)
    await resume(firing.shards, firing.caller, job_id, resumed_at)
    await firing.claim(resumed_at + 60 * MINUTE, now=resumed_at)
    assert len(await minutes_run(firing, job_id)) == 2
    row = await firing.job_row(job_id)
    assert (row["next_fire_for"], row["run_count"]) == (row["accounted_to"], 3)


async def test_it_does_not_count_for_a_schedule_that_came_later(firing: Firing):
    job_id = await cancelled_ahead(firing)
    await reschedule(firing, job_id, BEFORE, every=2 * MINUTE, max_runs=2)
    await firing.claim(NOON + 60 * MINUTE, now=BEFORE)
    assert await minutes_run(firing, job_id) == [0, 4]


async def test_a_claim_of_what_is_on_time_does_not_look_for_such_runs(
    firing: Firing, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(claim_runs, "recorded_by_runs", None)
    job_id = await cancelled_ahead(firing)
    await retarget(firing.shards, firing.caller, job_id)
    await firing.claim(NOON + 3 * MINUTE, now=BEFORE)
    assert await minutes_run(firing, job_id) == [0, 1, 3]


async def both_cancelled(firing: Firing) -> UUID:
    """A job of two runs, with an excluded minute between them."""
    exclude = (Exclusion(cron="1 12 * * *"),)
    job_id = await cancelled_ahead(firing, cancelled=1, max_runs=2, exclude=exclude)
    await cancel(firing, (await firing.runs(job_id))[0]["id"])
    return job_id


@pytest.mark.parametrize("change", [pause, retarget])
async def test_between_the_last_runs_of_all_nothing_is_forgotten(firing: Firing, change: Change):
    job_id = await both_cancelled(firing)
    await change(firing.shards, firing.caller, job_id)
    assert await told(firing, job_id, LATER) == [
        (0, 0, "cancelled"),
        (1, 1, "excluded"),
        (2, 2, "cancelled"),
    ]


@pytest.mark.parametrize("until", [NOON, LATER])
async def test_the_last_run_of_all_may_be_the_cancelled_one(firing: Firing, until: datetime):
    exclude = (Exclusion(cron="1 12 * * *"),)
    job_id = await cancelled_ahead(firing, cancelled=1, max_runs=2, exclude=exclude)
    await retarget(firing.shards, firing.caller, job_id)
    await firing.claim(until, now=BEFORE)
    assert await told(firing, job_id, LATER) == [
        (0, 0, "run"),
        (1, 1, "excluded"),
        (2, 2, "cancelled"),
    ]


@pytest.mark.parametrize("paused", [False, True])
async def test_between_the_last_runs_of_all_a_new_schedule_decides(firing: Firing, paused: bool):
    job_id = await both_cancelled(firing)
    if paused:
        await pause(firing.shards, firing.caller, job_id, BEFORE)
    await reschedule(firing, job_id, BEFORE, every=MINUTE)
    await firing.claim(NOON + 3 * MINUTE, now=BEFORE)
    outcome = "paused" if paused else "run"
    assert await told(firing, job_id, NOON + 3 * MINUTE) == [
        (0, 0, "cancelled"),
        (1, 1, outcome),
        (2, 2, "cancelled"),
        (3, 3, outcome),
    ]


async def test_what_was_excluded_just_now_stays_so_when_a_schedule_is_edited(firing: Firing):
    exclude = (Exclusion(cron="0-2 12 * * *"),)
    job = await firing.job(every=MINUTE, now=BEFORE, exclude=exclude, max_runs=1)
    await firing.claim(NOON + 3 * MINUTE, now=BEFORE)
    await cancel(firing, (await firing.runs(job.id))[0]["id"])
    await reschedule(firing, job.id, NOON + 90 * SECOND, every=MINUTE)
    await firing.claim(NOON + 4 * MINUTE, now=NOON + 90 * SECOND)
    assert await told(firing, job.id, NOON + 4 * MINUTE) == [
        (0, 1, "excluded"),
        (2, 2, "run"),
        (3, 3, "cancelled"),
        (4, 4, "run"),
    ]


async def test_a_job_deleted_then_keeps_it_cancelled(firing: Firing):
    job_id = await cancelled_ahead(firing)
    await delete(firing.shards, firing.caller, job_id, BEFORE)
    (run,) = await firing.runs(job_id)
    assert (run["state"], run["reason"]) == ("cancelled", "It was cancelled.")


async def test_a_backfill_of_what_is_missing_runs_it_and_the_ledger_stays(firing: Firing):
    job_id = await cancelled_ahead(firing)
    await pause(firing.shards, firing.caller, job_id, BEFORE)
    command = StartBackfill(
        caller=firing.caller,
        job_id=job_id,
        start=NOON,
        end=NOON + 3 * MINUTE,
        overlap=Overlap.ALLOW_ALL,
        only_missing=True,
        runs_per_minute=60_000,
        dry_run=False,
        now=LATER,
    )
    assert (await start_backfill(command, firing.shards)).total == 3
    assert len(await continue_backfills(LATER, firing.database)) == 3
    assert await told(firing, job_id, LATER) == ABOUT_IT
