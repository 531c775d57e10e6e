"""What commands do to a locked job, and to the runs that were claimed of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache, partial
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import select, update

from domain.errors import NotFound, PreconditionFailed
from domain.jobs.job import Job, Versions
from domain.policies.catchup import Outcome, Stretch
from domain.policies.catchup_plan import account
from domain.schedules.edited import count_of
from domain.schedules.fire_times import TICK, due_time, next_fire_time
from domain.schedules.schedule import Schedule, with_calendars
from storage.jobs.calendar_changes import JobRow, in_force, pending_changes
from storage.jobs.calendars import excludes_of, full_schedule
from storage.jobs.ledger import (
    JobStretch,
    recorded_by_runs,
    takes_effect_at,
    unrecord_after,
    write_stretches,
)
from storage.jobs.reckoning import elsewhere, times_between
from storage.jobs.rows import decode_schedule, encode_schedule, job_of
from storage.jobs.search_index import FOUND_BY, list_anew
from storage.postgres.pools import Driver
from storage.postgres.statements import Statement, given, values_of
from storage.runs.claimed_runs import withdraw_late, withdraw_later
from storage.schema.tables import jobs

_THIS = given(jobs.c.service_id, jobs.c.id)
_LOCK = Statement(select(jobs).where(*_THIS).with_for_update())


@cache
def _change_of(columns: tuple[str, ...], *, next_version: bool) -> Statement:
    values: dict[str, Any] = dict(values_of(*columns))
    if next_version:
        values["version"] = jobs.c.version + 1
    return Statement(update(jobs).where(*_THIS).values(values).returning(jobs))


async def lock_job(
    driver: Driver, service_id: UUID, job_id: UUID, versions: Versions = None
) -> asyncpg.Record:
    """The job's row, locked against claims and other commands until the transaction ends.

    It has been brought up to all changes of its calendars.

    Args:
        versions: Of which the job must have one; None for any.

    Raises:
        NotFound: When the service has no such job.
        PreconditionFailed: When it has none of the versions.
    """
    row = await _LOCK.fetchrow(driver, service_id=service_id, id=job_id)
    if row is None:
        raise NotFound(f"There is no job {job_id}.")
    if versions is not None and row["version"] not in versions:
        raise PreconditionFailed(
            f"The job is at version {row['version']} by now; read it and decide anew."
        )
    if changes := await brought_up(driver, row):
        return await write_changes(driver, row, changes, next_version=False)
    return row


async def write_changes(
    driver: Driver, row: JobRow, changes: Mapping[str, Any], *, next_version: bool = True
) -> asyncpg.Record:
    """Write changes to a locked job's row, and return what it is then.

    Args:
        changes: Values by column.
        next_version: Whether the job's service sees them as another version.
    """
    statement = _change_of(tuple(sorted(changes)), next_version=next_version)
    stored = dict(changes)
    if "schedule" in stored:
        stored["schedule"] = encode_schedule(stored["schedule"])
    written = await statement.fetchrow(driver, service_id=row["service_id"], id=row["id"], **stored)
    assert written is not None  # noqa: S101 (it is locked)
    return written


async def brought_up(driver: Driver, row: JobRow) -> dict[str, Any]:
    """Bring a locked job up to all changes of its calendars.

    The ledger tells what each calendar excluded while it was in force.

    Returns:
        The changes to the job's row, if there are any. A paused job has none: it is computed anew
        when it is resumed.
    """
    if row["paused"] or not row["calendars"]:
        return {}
    service_id = row["service_id"]
    now = await excludes_of(driver, service_id, row["calendars"], lock=True)
    pending = await pending_changes(driver, service_id, row["calendars"], row["calendar_change"])
    stored = decode_schedule(row["schedule"])
    changes: dict[str, Any] = {}
    for number, change in enumerate(pending):
        before = with_calendars(stored, in_force(now, pending[number:]))
        changes |= await _recorded_until(driver, {**row, **changes}, before, change.at)
        known = {**row, **changes}
        later = with_calendars(stored, in_force(now, pending[number + 1 :]))
        if not at_its_end(later, known["run_count"]):
            changes |= after(later, known["accounted_to"], known["run_count"])
        changes["calendar_change"] = change.id
    return changes


async def _recorded_until(
    driver: Driver, row: JobRow, schedule: Schedule, now: datetime
) -> dict[str, Any]:
    """Undo a locked job's claim-ahead, and write what its schedule, until now, excluded so far."""
    now = await change_from(driver, row, now)
    changes = await withdraw_to_come(driver, row, now, schedule)
    known = {**row, **changes}
    upcoming, until = known["next_fire_for"], now
    if upcoming is not None and upcoming <= now:
        until = upcoming - TICK  # it and what follows is for the next claim to decide on
    if at_its_end(schedule, known["run_count"]):
        return changes  # nothing is recorded beyond its last run, unless that is uncounted
    await write_account(driver, row, schedule, Outcome.EXCLUDED, until=until, changes=changes)
    return {**changes, "accounted_to": max(until, known["accounted_to"])}


async def stored_schedule(driver: Driver, row: JobRow) -> Schedule:
    """The schedule of a locked job, with its calendars filled in."""
    schedule = decode_schedule(row["schedule"])
    return await full_schedule(driver, row["service_id"], schedule, lock=True)


async def change_from(driver: Driver, row: JobRow, now: datetime) -> datetime:
    """From when on a command may change a locked job's fire times (storage.jobs.ledger)."""
    return await takes_effect_at(driver, row["service_id"], row["id"], now)


async def change_job(driver: Driver, row: JobRow, now: datetime, **changes: Any) -> Job:
    """Write changes to a locked job, as its next version."""
    job = job_of(await write_changes(driver, row, {**changes, "updated_at": now}), now)
    await list_anew(driver, row["service_id"], job, terms=not FOUND_BY.isdisjoint(changes))
    return job


async def withdraw_to_come(
    driver: Driver, row: JobRow, now: datetime, schedule: Schedule | None = None
) -> dict[str, Any]:
    """Undo the claim-ahead of a locked job: what is later than `now` is claimed anew.

    A worker that holds a withdrawn run finds nothing to start at its due instant.

    Args:
        schedule: By which it was claimed, if not the stored one with its calendars of today.

    Returns:
        The changes to the job's row; none when nothing was withdrawn.
    """
    if row["paused"]:
        return {}
    withdrawn = await withdraw_later(driver, row, now)
    schedule = schedule or await stored_schedule(driver, row)
    run_count = max(row["run_count"] - count_of(schedule, withdrawn), 0)
    if not withdrawn and at_its_end(schedule, run_count):
        return {}  # what is recorded up to the last run stays: no claim would record it again
    unrecorded = await unrecord(driver, row, schedule, now)
    if not withdrawn and not unrecorded:
        return {}
    first = min(withdrawn + unrecorded)
    return {**await reckon_after(schedule, first - TICK, run_count), "run_count": run_count}


async def unrecord(
    driver: Driver, row: JobRow, schedule: Schedule, now: datetime
) -> list[datetime]:
    """Take back what the ledger tells of a locked job's fire times that are still to come.

    Claims look ahead; what they tell there is that fire times are excluded.

    Returns:
        The beginnings of the stretches that are recorded no more.
    """
    firsts = await unrecord_after(driver, row["service_id"], row["id"], now)
    if firsts:
        tell = partial(account, schedule, Outcome.EXCLUDED, after=min(firsts) - TICK, until=now)
        past = await elsewhere(schedule, tell, times=times_between(min(firsts), now))
        await _write(driver, row, past)
    return [max(first, now + TICK) for first in firsts]


async def withdraw_past(
    driver: Driver,
    row: JobRow,
    now: datetime,
    outcome: Outcome,
    keeping: Sequence[datetime] = (),
) -> list[datetime]:
    """Withdraw a locked job's runs that are late and have not begun, for the reason `outcome`.

    Args:
        keeping: Fire times whose runs stay.

    Returns:
        Their fire times: they do not count towards the schedule's number of runs.
    """
    withdrawn = await withdraw_late(driver, row, now, keeping)
    let_go = [Stretch(first=one, last=one, outcome=outcome, count=1) for one in withdrawn]
    await _write(driver, row, let_go)
    return withdrawn


async def write_account(
    driver: Driver,
    row: JobRow,
    schedule: Schedule,
    outcome: Outcome,
    *,
    until: datetime,
    changes: Mapping[str, Any],
) -> None:
    """Give what a locked job's schedule names its outcome, where it has none yet.

    Args:
        changes: What has changed since the row was read.
    """
    known = {**row, **changes}
    if at_its_end(schedule, known["run_count"]):
        return
    position = known["accounted_to"]
    told = await recorded_by_runs(driver, [(row["service_id"], row["id"], position)])
    tell = partial(account, schedule, outcome, after=position, until=until, told=told[row["id"]])
    times = times_between(position, until)
    await _write(driver, row, await elsewhere(schedule, tell, times=times))


def after(schedule: Schedule, instant: datetime, run_count: int = 0) -> dict[str, Any]:
    """What a job's row says when all up to `instant` is accounted for."""
    upcoming = None if at_its_end(schedule, run_count) else next_fire_time(schedule, after=instant)
    return {
        "next_fire_for": upcoming,
        "next_claim_at": None if upcoming is None else due_time(schedule, upcoming),
        "accounted_to": instant,
        "claimed_for": [],
    }


async def reckon_after(schedule: Schedule, instant: datetime, run_count: int = 0) -> dict[str, Any]:
    """The same, outside the event loop where that takes long."""
    return await elsewhere(schedule, partial(after, schedule, instant, run_count), times=1)


async def _write(driver: Driver, row: JobRow, stretches: Sequence[Stretch]) -> None:
    await write_stretches(
        driver, [JobStretch.of(row["service_id"], row["id"], one) for one in stretches]
    )


def at_its_end(schedule: Schedule, run_count: int) -> bool:
    """Whether a job has had as many runs as its schedule allows."""
    return schedule.max_runs is not None and run_count >= schedule.max_runs
