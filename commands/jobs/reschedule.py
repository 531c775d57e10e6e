"""Give a locked job another schedule: what both name stays, and the ledger tells of the rest."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from commands.firing.claims.claim_runs import WRITE_RUNS
from commands.firing.claims.job_fires import RUNS_OF_A_JOB_AT_ONCE
from domain.errors import within
from domain.ids import run_id
from domain.policies.catchup import Outcome
from domain.policies.catchup_plan import plan
from domain.quotas.checks import FIRE_TIMES, check_frequency
from domain.quotas.limits import Limits
from domain.schedules.checks import check_schedule
from domain.schedules.edited import count_of, delays, names, names_alike
from domain.schedules.fire_times import TICK, due_time, first_moment, next_fire_time
from domain.schedules.schedule import Schedule
from domain.schedules.schedule import utc_offset as offset_of
from storage.jobs.calendar_changes import JobRow, newest_change
from storage.jobs.calendars import full_schedule
from storage.jobs.changes import (
    at_its_end,
    change_from,
    reckon_after,
    stored_schedule,
    unrecord,
    withdraw_past,
    write_account,
)
from storage.jobs.ledger import recorded_by_runs
from storage.jobs.pauses import after_pause, begin_pause, end_pause
from storage.jobs.reckoning import elsewhere, times_between
from storage.jobs.rows import decode_catchup, decode_schedule
from storage.postgres.pools import Driver
from storage.queue.broker import RunKey
from storage.runs.claimed_runs import late_runs, withdraw_later


class Rescheduled(Struct, frozen=True):
    """Attributes:
    changes: To the job's row.
    runs: Those that were made, ready to be dispatched after the commit.
    """

    changes: dict[str, Any]
    runs: Sequence[RunKey] = ()


class _Edit(Struct, frozen=True, kw_only=True):
    """Attributes:
    old: The schedule that the job has, calendars filled in.
    own: The one that it gets, as it is stored.
    full: The same with its calendars filled in.
    start: From when on it holds.
    kept: Fire times that both name, of runs that are late and have not begun.
    unclaimed: Late fire times that both name, and that no claim has come to.
    """

    old: Schedule
    own: Schedule
    full: Schedule
    start: datetime
    kept: Sequence[datetime]
    unclaimed: Sequence[datetime]


async def reschedule(
    driver: Driver,
    row: JobRow,
    schedule: Schedule,
    limits: Limits,
    now: datetime,
    *,
    count_anew: bool = False,
) -> Rescheduled:
    """Change a job's schedule; one that names the same changes nothing but how it is written.

    Args:
        count_anew: Whether the runs that `max_runs` allows are counted from here on.

    Raises:
        Invalid: When the new schedule breaks a rule or never fires.
    """
    was = decode_schedule(row["schedule"])
    alike = names_alike(was, schedule)
    own = _own(row, was, schedule, alike=alike)
    if alike and not count_anew:
        return Rescheduled({"schedule": own})
    with within("/schedule"):
        full = await full_schedule(driver, row["service_id"], own, lock=True)
    old = await stored_schedule(driver, row)
    # What the old one names at this very instant is left to the new one.
    asked_from = now - TICK if alike else min(now - TICK, first_moment(schedule))
    start = await change_from(driver, row, asked_from)
    kept = await _named_by_both(driver, row, full, start)
    unclaimed = await _unclaimed(driver, row, old, full, start)
    with within("/schedule"):
        newest = max(first_moment(full), asked_from)
        since = min([newest, *(one - TICK for one in (*kept, *unclaimed))])
        check = partial(_check, full, limits, None if alike else since)
        await elsewhere(full, check, times=FIRE_TIMES)
    if count_anew or (was.max_runs is None and own.max_runs is not None):
        count_anew = True
        own, full = (replace(one, counted_from=start + TICK) for one in (own, full))
    edit = _Edit(old=old, own=own, full=full, start=start, kept=kept, unclaimed=unclaimed)
    return await _apply(driver, row, edit, asked_from, count_anew=count_anew)


def _own(row: JobRow, was: Schedule, schedule: Schedule, *, alike: bool) -> Schedule:
    """What is to be stored: a delay that stays counts from when it was accepted first."""
    accepted_at = schedule.accepted_at
    if alike or (delays(schedule) and delays(schedule) == delays(was)):
        accepted_at = was.accepted_at
    counted_from = was.counted_from or was.accepted_at
    return replace(
        schedule,
        accepted_at=accepted_at,
        counted_from=None if counted_from == accepted_at else counted_from,
        seed=str(row["id"]),
    )


def _check(schedule: Schedule, limits: Limits, since: datetime | None) -> None:
    if since is not None:
        check_schedule(schedule, since)
    check_frequency(schedule, limits)


def _named(schedule: Schedule, times: Sequence[datetime]) -> list[datetime]:
    return [one for one in times if names(schedule, one)]


async def _named_by_both(
    driver: Driver, row: JobRow, full: Schedule, start: datetime
) -> list[datetime]:
    """The fire times of late runs that stay; what is claimed ahead will be claimed anew."""
    late = await late_runs(driver, row, start)
    named = partial(_named, full, late)
    return await elsewhere(full, named, times=len(late))


async def _unclaimed(
    driver: Driver, row: JobRow, old: Schedule, full: Schedule, start: datetime
) -> list[datetime]:
    """Late fire times that a claim would run just now, and that the new schedule names, too."""
    first, position = row["next_fire_for"], row["accounted_to"]
    if row["paused"] or first is None or at_its_end(old, row["run_count"]):
        return []
    if first <= position:  # it had all its runs, and one was uncounted
        first = next_fire_time(old, after=position)
    if first is None or first > start:
        return []
    told = await recorded_by_runs(driver, [(row["service_id"], row["id"], position)])
    decide = partial(
        plan,
        old,
        decode_catchup(row["catchup"]),
        accounted_to=position,
        next_fire_for=first,
        now=start,
        until=start,
        limit=RUNS_OF_A_JOB_AT_ONCE,
        runs_left=None if old.max_runs is None else old.max_runs - row["run_count"],
        told=told[row["id"]],
    )
    made = await elsewhere(old, decide, times=times_between(position, start))
    return await elsewhere(full, partial(_named, full, made.runs), times=len(made.runs))


async def _apply(
    driver: Driver,
    row: JobRow,
    edit: _Edit,
    asked_from: datetime,
    *,
    count_anew: bool,
) -> Rescheduled:
    start, full = edit.start, edit.full
    withdrawn = await withdraw_past(driver, row, start, Outcome.CANCELLED, edit.kept)
    withdrawn += await withdraw_later(driver, row, start)
    await unrecord(driver, row, edit.old, start)
    run_count, left = 0, None
    if full.max_runs is not None and not count_anew:
        run_count = max(row["run_count"] - count_of(edit.old, withdrawn), 0)
        left = max(full.max_runs - run_count, 0)
    made = await _write(driver, row, full, edit.unclaimed[:left])
    run_count += 0 if left is None else len(made)
    changes = {
        "schedule": edit.own,
        "calendars": list(edit.own.calendars),
        "run_count": run_count,
        "calendar_change": await _seen(driver, row, edit.own),
    }
    if row["paused"]:
        await end_pause(driver, row, edit.old, start)
        if not at_its_end(full, run_count):
            await begin_pause(driver, row, full, start)
        following = await reckon_after(full, start, run_count)
        paused = {**following, "next_fire_for": None, "next_claim_at": None}
        return Rescheduled(paused | changes)
    await write_account(driver, row, edit.old, Outcome.CANCELLED, until=start, changes={})
    following = await after_pause(driver, {**row, **changes}, full, start)
    if following["next_fire_for"] is None and not at_its_end(full, run_count):
        # All that it names was recorded by a claim meanwhile: those fire times are late, not lost.
        following = await reckon_after(full, asked_from)
    return Rescheduled(following | changes, made)


async def _seen(driver: Driver, row: JobRow, own: Schedule) -> int | None:
    """The last change of calendars that the job need not be brought up to any more."""
    newest = await newest_change(driver, row["service_id"], own.calendars)
    return max(filter(None, (newest, row["calendar_change"])), default=None)


async def _write(
    driver: Driver, row: JobRow, full: Schedule, times: Sequence[datetime]
) -> list[RunKey]:
    """Write runs of fire times that are late, as a claim would have done."""
    if not times:
        return []
    service_id, job_id = row["service_id"], row["id"]
    ids = [run_id(job_id, instant) for instant in times]
    await WRITE_RUNS.execute(
        driver,
        service_ids=[service_id] * len(times),
        job_ids=[job_id] * len(times),
        fire_times=list(times),
        run_ids=ids,
        due_at=[due_time(full, instant) for instant in times],
        overlaps=[row["overlap"]] * len(times),
        utc_offsets=[offset_of(full, instant) for instant in times],
        dispatcher_id=None,
    )
    return [(service_id, one) for one in ids]
