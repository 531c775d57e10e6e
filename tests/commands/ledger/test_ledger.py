"""The fire ledger, as it is asked about: pages, ranges, pauses that go on, every outcome."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import pytest

from commands.calendars.put_calendar import PutCalendar, put_calendar
from commands.runs.cancel_runs import CancelRun, cancel_run
from domain.errors import NotFound
from domain.ids import new_id, run_id
from domain.policies.catchup import CatchupPolicy, Coalesce, Outcome
from domain.policies.catchup_plan import COUNTED
from domain.schedules.schedule import Exclusion, Schedule
from queries.jobs.get_ledger import LedgerRow
from tests.commands.changing import delete, pause, resume, trigger, update
from tests.commands.firing import ALL_OF_THEM, NOON, SECOND, Firing, succeeded
from tests.commands.telling import ledger, told

MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
MISSING = CatchupPolicy(window=timedelta(0))


async def why_not(firing: Firing, job_id: UUID, instant: datetime) -> Outcome:
    """The answer to "Why did it not run at that time?", asked a day later."""
    (entry,) = await ledger(
        firing, job_id, NOON + 24 * HOUR, start=instant, end=instant + SECOND / 1_000
    )
    assert entry.scheduled_for <= instant <= (entry.until or entry.scheduled_for)
    return entry.outcome


async def an_outage_and_a_pause(firing: Firing) -> UUID:
    """A job of every minute: missed until 10, run at 10 to 12, paused from 13 on."""
    job = await firing.job(every=MINUTE, catchup=MISSING)
    await firing.claim(NOON + 12 * MINUTE, now=NOON + 10 * MINUTE)
    for row in await firing.runs(job.id):
        (taken,) = await firing.take((row["service_id"], row["id"]), until=NOON + HOUR)
        await firing.begin(taken)
        await firing.finish(succeeded(taken))
    await pause(firing.shards, firing.caller, job.id, NOON + 12 * MINUTE + SECOND)
    return job.id


EXPECTED = [
    (0, 9, "missed"),
    (10, 10, "run"),
    (11, 11, "run"),
    (12, 12, "run"),
    (13, 20, "paused"),
]


async def test_it_tells_in_order_what_became_of_each_fire_time(firing: Firing):
    job_id = await an_outage_and_a_pause(firing)
    assert await told(firing, job_id, NOON + 20 * MINUTE) == EXPECTED
    entries = await ledger(firing, job_id, NOON + 20 * MINUTE)
    assert [one.count for one in entries] == [10, 1, 1, 1, 8]
    runs = [run_id(job_id, NOON + n * MINUTE) for n in (10, 11, 12)]
    assert [one.run_id for one in entries] == [None, *runs, None]


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 6])
async def test_its_pages_are_the_whole_in_order(firing: Firing, limit: int):
    job_id = await an_outage_and_a_pause(firing)
    now = NOON + 20 * MINUTE
    pages: list[LedgerRow] = []
    after: datetime | None = None
    while page := await ledger(firing, job_id, now, after=after, limit=limit):
        assert len(page) <= limit
        pages += page
        after = page[-1].scheduled_for
    assert pages == await ledger(firing, job_id, now)


@pytest.mark.parametrize("limit", [1, 2, 3])
async def test_a_pause_in_pages_goes_on_where_it_stopped(firing: Firing, limit: int):
    exclude = (Exclusion(cron="5-6 12 * * *"), Exclusion(cron="9 12 * * *"))
    job = await firing.job(every=MINUTE, exclude=exclude)
    await pause(firing.shards, firing.caller, job.id, NOON)
    now = NOON + 12 * MINUTE
    found: list[LedgerRow] = []
    while page := await ledger(
        firing, job.id, now, limit=limit, after=found[-1].scheduled_for if found else None
    ):
        found += page
    assert [(one.outcome, one.count) for one in found] == [
        ("paused", 5),
        ("excluded", 2),
        ("paused", 2),
        ("excluded", 1),
        ("paused", 3),
    ]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0, 100, EXPECTED),
        (5, 11, [(0, 9, "missed"), (10, 10, "run")]),
        (9, 10, [(0, 9, "missed")]),
        (9.5, 10, []),
        (10, 10, []),
        (12, 13, [(12, 12, "run")]),
        (15, 16, [(13, 20, "paused")]),
        (20, 21, [(13, 20, "paused")]),
        (20.5, 30, []),
        (-50, 0, []),
    ],
)
async def test_a_range_shows_what_reaches_into_it(
    firing: Firing, start: float, end: float, expected: list[tuple[int, int, str]]
):
    job_id = await an_outage_and_a_pause(firing)
    entries = await ledger(
        firing,
        job_id,
        NOON + 20 * MINUTE,
        start=NOON + start * MINUTE,
        end=NOON + end * MINUTE,
    )
    assert [
        (
            (one.scheduled_for - NOON) / MINUTE,
            ((one.until or one.scheduled_for) - NOON) / MINUTE,
            one.outcome,
        )
        for one in entries
    ] == expected


async def test_a_pause_that_goes_on_grows_and_one_that_has_seen_nothing_is_not_shown(
    firing: Firing,
):
    job = await firing.job(every=MINUTE)
    await pause(firing.shards, firing.caller, job.id, NOON - SECOND)
    assert await told(firing, job.id, NOON - SECOND) == []
    assert await told(firing, job.id, NOON) == [(0, 0, "paused")]
    assert await told(firing, job.id, NOON + 90 * SECOND) == [(0, 1, "paused")]


@pytest.mark.promise("stretches")
async def test_a_long_pause_of_a_fast_job_is_one_stretch_that_nobody_counted(firing: Firing):
    job = await firing.job(every=SECOND)
    await pause(firing.shards, firing.caller, job.id, NOON - SECOND)
    now = NOON + (COUNTED + 1) * SECOND
    (entry,) = await ledger(firing, job.id, now)
    assert (entry.scheduled_for, entry.until, entry.count) == (NOON, now, None)
    await resume(firing.shards, firing.caller, job.id, now)
    assert await ledger(firing, job.id, now) == [entry]


async def test_what_lies_ahead_has_no_outcome_yet(firing: Firing):
    job = await firing.job(every=MINUTE)
    await firing.claim(NOON + 5 * MINUTE)
    assert await told(firing, job.id, NOON + MINUTE) == [(0, 0, "run"), (1, 1, "run")]


async def test_manual_runs_are_no_fire_times(firing: Firing):
    job = await firing.job(every=MINUTE)
    await trigger(firing.shards, firing.caller, job.id, NOON + SECOND)
    await firing.claim(NOON)
    assert await told(firing, job.id, NOON + 2 * SECOND) == [(0, 0, "run")]


async def test_it_knows_no_job_of_somebody_else_and_none_that_was_deleted(firing: Firing):
    job = await firing.job(every=MINUTE)
    await delete(firing.shards, firing.caller, job.id)
    for job_id in (job.id, new_id()):
        with pytest.raises(NotFound):
            await ledger(firing, job_id, NOON)


@pytest.mark.promise("outcome: run")
async def test_why_not_because_it_ran(firing: Firing):
    run = await firing.running_run(every=MINUTE, now=NOON)
    assert await why_not(firing, run.job_id, NOON) is Outcome.RUN


@pytest.mark.promise("outcome: missed")
async def test_why_not_because_it_was_missed(firing: Firing):
    job_id = await an_outage_and_a_pause(firing)
    assert await why_not(firing, job_id, NOON + 3 * MINUTE) is Outcome.MISSED


@pytest.mark.promise("outcome: coalesced")
async def test_why_not_because_a_later_one_stood_for_it(firing: Firing):
    policy = CatchupPolicy(window=HOUR, coalesce=Coalesce.LATEST)
    job = await firing.job(every=MINUTE, catchup=policy)
    await firing.claim(NOON + 10 * MINUTE, now=NOON + 10 * MINUTE)
    assert await why_not(firing, job.id, NOON + 3 * MINUTE) is Outcome.COALESCED
    assert await why_not(firing, job.id, NOON + 9 * MINUTE) is Outcome.RUN


@pytest.mark.promise("outcome: paused")
async def test_why_not_because_it_was_paused_now_or_then(firing: Firing):
    job_id = await an_outage_and_a_pause(firing)
    assert await why_not(firing, job_id, NOON + 15 * MINUTE) is Outcome.PAUSED
    await resume(firing.shards, firing.caller, job_id, NOON + 20 * MINUTE)
    assert await why_not(firing, job_id, NOON + 15 * MINUTE) is Outcome.PAUSED


@pytest.mark.promise("outcome: excluded")
async def test_why_not_because_it_was_excluded(firing: Firing):
    command = PutCalendar(
        caller=firing.caller,
        name="lunch",
        description="",
        exclude=(Exclusion(cron="1-2 12 * * *"),),
        now=NOON,
    )
    await put_calendar(command, firing.shards)
    job = await firing.job(every=MINUTE, exclude=(Exclusion(calendar="lunch"),))
    await firing.claim(NOON + 3 * MINUTE)
    assert await why_not(firing, job.id, NOON + 2 * MINUTE) is Outcome.EXCLUDED
    assert await why_not(firing, job.id, NOON + 3 * MINUTE) is Outcome.RUN


@pytest.mark.promise("outcome: skipped_overlap")
async def test_why_not_because_another_one_was_active(firing: Firing):
    job = await firing.job(every=SECOND, catchup=ALL_OF_THEM)
    await firing.claim(NOON + SECOND)
    keys = [(row["service_id"], row["id"]) for row in await firing.runs(job.id)]
    first, second = await firing.take(*keys)
    assert await firing.begin(first)
    assert not await firing.begin(second)
    assert await why_not(firing, job.id, NOON + SECOND) is Outcome.SKIPPED_OVERLAP


@pytest.mark.promise("outcome: cancelled")
async def test_why_not_because_somebody_cancelled_it(firing: Firing):
    job = await firing.job(every=MINUTE)
    await firing.claim(NOON)
    (run,) = await firing.runs(job.id)
    await cancel_run(CancelRun(caller=firing.caller, run_id=run["id"], now=NOON), firing.shards)
    assert await why_not(firing, job.id, NOON) is Outcome.CANCELLED


@pytest.mark.promise("outcome: cancelled")
async def test_why_not_because_another_schedule_took_its_place(firing: Firing):
    job = await firing.job(every=MINUTE, catchup=ALL_OF_THEM)
    now = NOON + 90 * SECOND
    schedule = Schedule(accepted_at=now, every=HOUR)
    await update(firing.shards, firing.caller, job.id, now, schedule=schedule)
    assert await why_not(firing, job.id, NOON + MINUTE) is Outcome.CANCELLED
