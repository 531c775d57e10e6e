"""Start a backfill: run a job for fire times that have passed."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from msgspec import Struct
from sqlalchemy import insert, select

from domain.backfill import MAX_FIRE_TIMES, Backfill, BackfillState, check_backfill
from domain.caller import Caller
from domain.errors import Invalid
from domain.ids import new_id
from domain.overlap import Overlap
from domain.run import RunState
from domain.schedules.schedule import TICK, Schedule, is_excluded, nominal_times
from storage.audit import record
from storage.job_changes import lock_job, stored_schedule
from storage.retention import MARGIN, expiring_days
from storage.shards import Shards
from storage.tables import backfills, runs
from storage.transactions import WriteConnection, driver_of


class StartBackfill(Struct, frozen=True, kw_only=True):
    """Attributes:
    start: The first instant of the range.
    end: The first instant behind it.
    dry_run: Count, and make nothing.
    """

    caller: Caller
    job_id: UUID
    start: datetime
    end: datetime
    overlap: Overlap
    only_missing: bool
    runs_per_minute: int
    dry_run: bool
    now: datetime


async def start_backfill(command: StartBackfill, shards: Shards) -> Backfill:
    """Store the backfill; dispatchers make its runs, at its rate.

    A dry run stores nothing and tells by `run_count` how many runs there would be.

    Raises:
        Invalid: When the range or the rate makes no sense, or the range holds too many fire times,
            or some whose day is dropped soon.
        NotFound: When the service has no such job.
    """
    check_backfill(command.start, command.end, command.runs_per_minute, command.now)
    service_id = command.caller.service_id
    async with shards.of(service_id).writing(service_id, (), command.caller.claim) as connection:
        row = await lock_job(connection, service_id, command.job_id)
        schedule = await stored_schedule(connection, row)
        times = _fire_times(schedule, command.start, command.end)
        made = _backfill_of(command, len(times))
        await _refuse_expiring(connection, made)
        if command.dry_run:
            done = await _succeeded(connection, command) if command.only_missing else set()
            counted = msgspec.structs.replace(made, run_count=len(set(times) - done))
            command.caller.settle(counted)
            return counted
        await connection.execute(
            insert(backfills).values(
                service_id=service_id,
                id=made.id,
                job_id=made.job_id,
                start_at=made.start_at,
                end_at=made.end_at,
                overlap=made.overlap,
                only_missing=made.only_missing,
                runs_per_minute=made.runs_per_minute,
                state=made.state,
                total=made.total,
                done_count=0,
                run_count=0,
                position=made.start_at - TICK,
                continue_at=command.now,
                created_at=made.created_at,
            )
        )
        await record(
            connection,
            command.caller,
            "backfill.started",
            made.id,
            command.now,
            job_id=str(made.job_id),
        )
        command.caller.settle(made)
    return made


async def _refuse_expiring(connection: WriteConnection, made: Backfill) -> None:
    """Refuse days that may be dropped before the last of its runs has been made."""
    takes = timedelta(minutes=1) * made.total / made.runs_per_minute
    expiring = await expiring_days(await driver_of(connection), MARGIN + takes)
    if expiring and made.start_at < expiring.until and made.end_at > expiring.start:
        raise Invalid(
            "History of days in the range is about to be deleted; start at"
            f" {expiring.until:%Y-%m-%dT%H:%MZ} or later.",
            "/start",
        )


def _backfill_of(command: StartBackfill, total: int) -> Backfill:
    return Backfill(
        id=new_id(),
        job_id=command.job_id,
        start_at=command.start,
        end_at=command.end,
        overlap=command.overlap,
        only_missing=command.only_missing,
        runs_per_minute=command.runs_per_minute,
        state=BackfillState.RUNNING,
        total=total,
        done_count=0,
        run_count=0,
        created_at=command.now,
        finished_at=None,
    )


async def _succeeded(connection: WriteConnection, command: StartBackfill) -> set[datetime]:
    found = await connection.execute(
        select(runs.c.scheduled_for).where(
            runs.c.service_id == command.caller.service_id,
            runs.c.job_id == command.job_id,
            runs.c.scheduled_for >= command.start,
            runs.c.scheduled_for < command.end,
            runs.c.state == RunState.SUCCEEDED,
        )
    )
    return set(found.scalars())


def _fire_times(schedule: Schedule, start: datetime, end: datetime) -> list[datetime]:
    named = nominal_times(schedule, after=start - TICK, before=end, limit=MAX_FIRE_TIMES + 1)
    if len(named) > MAX_FIRE_TIMES:
        raise Invalid(
            f"The range holds more than {MAX_FIRE_TIMES:,} fire times; take a shorter one.", "/end"
        )
    return [instant for instant in named if not is_excluded(schedule, instant)]
