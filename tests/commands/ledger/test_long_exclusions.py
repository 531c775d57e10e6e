"""What is excluded for longer than one search looks: the job goes on, and the ledger tells."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from commands.backfills.continue_backfills import continue_backfills
from commands.backfills.start_backfill import StartBackfill, start_backfill
from commands.calendars.put_calendar import PutCalendar, put_calendar
from commands.jobs.resume_job import ResumeJob, resume_job
from domain.errors import Invalid
from domain.jobs.job import JobState
from domain.policies.catchup import CatchupPolicy, Coalesce
from domain.policies.overlap import Overlap
from domain.schedules.schedule import Exclusion
from storage.jobs.rows import job_of
from tests.commands.changing import pause, update
from tests.commands.firing import NOON, SECOND, Firing
from tests.commands.telling import ledger

LENGTH = 3_000
BEFORE, END = NOON - 5 * SECOND, NOON + LENGTH * SECOND
WINDOW = timedelta(hours=2)
STEP = 60


def seconds_rule(until: datetime) -> Exclusion:
    """Every second from noon to before an instant."""
    last = until - SECOND
    return Exclusion(
        rrule=f"DTSTART:{NOON:%Y%m%dT%H%M%S}\nRRULE:FREQ=SECONDLY;UNTIL={last:%Y%m%dT%H%M%SZ}"
    )


AN_HOUR_ALMOST = seconds_rule(END)


async def claim_up_to(firing: Firing, since: datetime, until: datetime) -> None:
    """What dispatchers do from one instant to another."""
    now = since
    while now <= until:
        await firing.claim(now + STEP * SECOND, now=now)
        now += STEP * SECOND


async def told_of_seconds(firing: Firing, job_id: UUID, now: datetime) -> dict[int, str]:
    """The outcome of each second since noon, each told once."""
    outcomes: dict[int, str] = {}
    for entry in await ledger(firing, job_id, now):
        first = (entry.scheduled_for - NOON) // SECOND
        last = first if entry.until is None else (entry.until - NOON) // SECOND
        for second in range(first, last + 1):
            assert second not in outcomes
            outcomes[second] = entry.outcome
        assert entry.count == last - first + 1
    return outcomes


async def state_of(firing: Firing, job_id: UUID, now: datetime) -> JobState:
    return job_of(await firing.job_row(job_id), now).state


@pytest.mark.promise("end of schedule")
async def test_a_job_of_every_second_outlasts_an_exclusion_of_3000_seconds(firing: Firing):
    job = await firing.job(now=BEFORE, every=SECOND, exclude=(AN_HOUR_ALMOST,))
    now = BEFORE
    while now < END + STEP * SECOND:
        await firing.claim(now + STEP * SECOND, now=now)
        row = await firing.job_row(job.id)
        seen = job_of(row, now)
        assert seen.state is JobState.ACTIVE
        assert seen.next_fire_at is not None
        assert row["next_claim_at"] > now + STEP * SECOND  # no claim is made in vain at once
        now += STEP * SECOND
    told = await told_of_seconds(firing, job.id, END + 9 * SECOND)
    assert list(told) == list(range(-5, LENGTH + 10))
    assert {second for second in told if told[second] == "excluded"} == set(range(LENGTH))
    assert Counter(told.values()) == {"excluded": LENGTH, "run": 15}


@pytest.mark.promise("exclusions in the ledger")
async def test_the_ledger_tells_of_an_exclusion_that_goes_on(firing: Firing):
    job = await firing.job(now=BEFORE, every=SECOND, exclude=(AN_HOUR_ALMOST,))
    await firing.claim(NOON, now=BEFORE)
    expected = dict.fromkeys(range(-5, 0), "run")
    for seconds in (-1, 100, 100):  # read again, it says the same
        told = await told_of_seconds(firing, job.id, NOON + seconds * SECOND)
        expected |= dict.fromkeys(range(seconds + 1), "excluded")
        assert told == expected


async def test_a_pause_and_an_edit_within_a_long_exclusion_leave_no_gap(firing: Firing):
    job = await firing.job(now=BEFORE, every=SECOND, exclude=(AN_HOUR_ALMOST,))
    middle = NOON + 1_500 * SECOND
    await claim_up_to(firing, BEFORE, middle)
    edited = await update(firing.shards, firing.caller, job.id, middle, overlap=Overlap.ALLOW_ALL)
    assert edited.state is JobState.ACTIVE
    paused = await pause(firing.shards, firing.caller, job.id, middle)
    assert (paused.state, paused.next_fire_at) == (JobState.PAUSED, None)
    since = middle + STEP * SECOND
    command = ResumeJob(caller=firing.caller, job_id=job.id, now=since)
    assert (await resume_job(command, firing.shards)).state is JobState.ACTIVE
    await claim_up_to(firing, since, END)
    told = await told_of_seconds(firing, job.id, END)
    assert list(told) == list(range(-5, LENGTH + 1))
    assert Counter(told.values()) == {"paused": 5, "excluded": LENGTH, "run": 1}


@pytest.mark.parametrize("coalesce", Coalesce)
async def test_an_outage_over_a_long_exclusion_is_caught_up(firing: Firing, coalesce: Coalesce):
    policy = CatchupPolicy(window=WINDOW, coalesce=coalesce, limit=10)
    job = await firing.job(now=BEFORE, every=SECOND, exclude=(AN_HOUR_ALMOST,), catchup=policy)
    back = END - 30 * SECOND
    while (await firing.claim(back + SECOND, now=back)).full:
        pass
    assert await state_of(firing, job.id, back) is JobState.ACTIVE
    await claim_up_to(firing, back, END)
    told = await told_of_seconds(firing, job.id, END)
    assert list(told) == list(range(-5, LENGTH + 1))
    runs = {
        Coalesce.LATEST: {-1},
        Coalesce.EARLIEST: {-5},
        Coalesce.ALL: {-5, -4, -3, -2, -1},
    }[coalesce]
    assert {second for second in told if told[second] == "run"} == {*runs, LENGTH}
    assert {second for second in told if told[second] == "excluded"} == set(range(LENGTH))


async def test_the_earliest_is_found_behind_a_long_exclusion_claim_by_claim(firing: Firing):
    policy = CatchupPolicy(window=WINDOW, coalesce=Coalesce.EARLIEST)
    job = await firing.job(now=BEFORE, every=SECOND, exclude=(AN_HOUR_ALMOST,), catchup=policy)
    await firing.claim(NOON, now=BEFORE)
    now = END + 30 * SECOND
    claims = 0
    while (await firing.job_row(job.id))["accounted_to"] < END:
        # It does not go on at once: others have their turn.
        assert not (await firing.claim(now + SECOND, now=now)).full
        claims += 1
        now += SECOND
    assert 1 < claims < LENGTH / 100
    late = [run["scheduled_for"] for run in await firing.runs(job.id)]
    assert late[5] == END
    told = await told_of_seconds(firing, job.id, now)
    assert list(told)[: LENGTH + 6] == list(range(-5, LENGTH + 1))
    assert Counter(told.values())["excluded"] == LENGTH


async def test_a_calendar_that_excludes_a_long_time_does_not_end_its_jobs(firing: Firing):
    command = PutCalendar(
        caller=firing.caller, name="quiet", description="", exclude=(), now=BEFORE
    )
    await put_calendar(command, firing.shards)
    job = await firing.job(now=BEFORE, every=SECOND, exclude=(Exclusion(calendar="quiet"),))
    await firing.claim(NOON - SECOND, now=BEFORE)
    filled = PutCalendar(
        caller=firing.caller, name="quiet", description="", exclude=(AN_HOUR_ALMOST,), now=BEFORE
    )
    await put_calendar(filled, firing.shards)
    assert await state_of(firing, job.id, NOON) is JobState.ACTIVE
    await claim_up_to(firing, BEFORE, END)
    told = await told_of_seconds(firing, job.id, END)
    assert Counter(told.values()) == {"excluded": LENGTH, "run": 6}


async def test_a_backfill_goes_on_behind_a_long_exclusion(firing: Firing):
    job = await firing.job(now=BEFORE, every=SECOND, exclude=(AN_HOUR_ALMOST,))
    await pause(firing.shards, firing.caller, job.id, BEFORE)
    now = END + 10 * SECOND
    command = StartBackfill(
        caller=firing.caller,
        job_id=job.id,
        start=BEFORE,
        end=now,
        overlap=Overlap.ALLOW_ALL,
        only_missing=False,
        runs_per_minute=60_000,
        dry_run=False,
        now=now,
    )
    await start_backfill(command, firing.shards)
    for _ in range(10):
        await continue_backfills(now, firing.database)
        now += 60 * SECOND
    (row,) = await firing.rows("SELECT state, run_count FROM backfills")
    assert (row["state"], row["run_count"]) == ("completed", 15)


async def test_a_schedule_of_which_no_fire_time_is_found_is_refused_with_the_reason(
    firing: Firing,
):
    with pytest.raises(Invalid, match=r"up to .* is excluded.*start_at") as refusal:
        await firing.job(now=NOON, every=SECOND, exclude=(AN_HOUR_ALMOST,))
    assert refusal.value.pointer == "/schedule/exclude"
    job = await firing.job(now=NOON, every=SECOND, exclude=(AN_HOUR_ALMOST,), start_at=END)
    assert job.next_fire_at == END
