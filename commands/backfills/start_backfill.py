"""Start a backfill: run a job for fire times that have passed."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from msgspec import Struct
from sqlalchemy import bindparam, insert, or_, select

from commands.unit_of_work import Command, UnitOfWork, unit_of_work
from domain.errors import Invalid, NotFound
from domain.ids import new_id
from domain.jobs.backfill import (
    COUNTED_STEPS,
    MAX_FIRE_TIMES,
    Backfill,
    BackfillState,
    DryRun,
    check_backfill,
)
from domain.policies.overlap import Overlap
from domain.runs.run import RunState
from domain.schedules.fire_times import TICK, is_excluded, nominal_times
from domain.schedules.kinds.work import Budget
from domain.schedules.schedule import Schedule
from storage.jobs.changes import lock_job
from storage.jobs.rows import CALENDARS_OF_JOB, schedule_of
from storage.postgres.pools import Driver
from storage.postgres.statements import Statement, given, values_of
from storage.schema.retention import MARGIN, expiring_days
from storage.schema.tables import backfills, runs
from storage.shards import Shard

_SCHEDULE = f"""
SELECT schedule, {CALENDARS_OF_JOB} AS calendars FROM jobs WHERE service_id = $1 AND id = $2
"""


_STORE = Statement(insert(backfills).values(values_of(*backfills.c.keys())))
_NOT_MISSING = Statement(
    select(runs.c.scheduled_for).where(
        *given(runs.c.service_id, runs.c.job_id),
        runs.c.scheduled_for >= bindparam("start"),
        runs.c.scheduled_for < bindparam("end"),
        or_(runs.c.open, runs.c.state == RunState.SUCCEEDED),
    )
)


class StartBackfill(Command, frozen=True, kw_only=True):
    """Attributes:
    start: The first instant of the range.
    end: The first instant after the range.
    dry_run: Count, and make nothing.
    """

    job_id: UUID
    start: datetime
    end: datetime
    overlap: Overlap
    only_missing: bool
    runs_per_minute: int
    dry_run: bool


class Counted(Struct, frozen=True):
    """The fire times of a range, as far as counting them did not cost too much."""

    times: list[datetime]
    continues_at: datetime | None


@unit_of_work
async def start_backfill(command: StartBackfill, uow: UnitOfWork) -> Backfill:
    """Store the backfill; dispatchers make its runs, at its rate.

    A dry run stores nothing and tells by `run_count` how many runs there would be, as far as its
    budget goes.

    Raises:
        Invalid: When the range or the rate makes no sense, or the range holds too many fire times,
            or some whose day is dropped soon.
        NotFound: When the service has no such job.
    """
    check_backfill(command.start, command.end, command.runs_per_minute, command.now)
    # Counted before anything is locked; a schedule that changes meanwhile is followed all the same.
    counted = await _counted(command, uow.shard)
    driver = await uow.begin()
    uow.changes_only()
    await lock_job(driver, command.service_id, command.job_id)
    made = _backfill_of(command, len(counted.times))
    await _refuse_expiring(driver, made)
    if command.dry_run:
        done = await _not_missing(driver, command) if command.only_missing else set()
        return DryRun(
            **msgspec.structs.asdict(made) | {"run_count": len(set(counted.times) - done)},
            continues_at=counted.continues_at,
        )
    await _STORE.execute(
        driver,
        **msgspec.structs.asdict(made),
        service_id=command.service_id,
        position=made.start_at - TICK,
        continue_at=command.now,
    )
    await uow.audit("backfill.started", made.id, job_id=str(made.job_id))
    return made


async def _counted(command: StartBackfill, shard: Shard) -> Counted:
    schedule = await _schedule(command, shard)
    counted = await shard.reckoning.run(
        command.service_id,
        schedule,
        lambda: _count(schedule, command.start, command.end),
        times=MAX_FIRE_TIMES,
    )
    if counted.continues_at is not None and not command.dry_run:
        raise Invalid(
            "What is excluded makes the range too costly; end it at "
            f"{counted.continues_at.isoformat()}, where another backfill goes on.",
            "/end",
        )
    return counted


async def _refuse_expiring(driver: Driver, made: Backfill) -> None:
    """Refuse days that may be dropped before the backfill has made its last run."""
    takes = timedelta(minutes=1) * made.total / made.runs_per_minute
    expiring = await expiring_days(driver, MARGIN + takes)
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
        state=BackfillState.DRY_RUN if command.dry_run else BackfillState.RUNNING,
        total=total,
        done_count=0,
        run_count=0,
        created_at=command.now,
        finished_at=None,
    )


async def _not_missing(driver: Driver, command: StartBackfill) -> set[datetime]:
    found = await _NOT_MISSING.fetch(
        driver,
        service_id=command.service_id,
        job_id=command.job_id,
        start=command.start,
        end=command.end,
    )
    return {row["scheduled_for"] for row in found}


async def _schedule(command: StartBackfill, shard: Shard) -> Schedule:
    key = (command.service_id, command.job_id)
    row = await shard.read(command.service_id, lambda driver: driver.fetchrow(_SCHEDULE, *key))
    if row is None:
        raise NotFound(f"There is no job {command.job_id}.")
    return schedule_of(row["schedule"], row["calendars"])


def _count(schedule: Schedule, start: datetime, end: datetime) -> Counted:
    """The fire times of a range, as far as the budget goes.

    Raises:
        Invalid: When they are too many.
    """
    budget = Budget(schedule.work, COUNTED_STEPS)
    named = nominal_times(
        schedule, after=start - TICK, before=end, limit=MAX_FIRE_TIMES + 1, budget=budget
    )
    if len(named) > MAX_FIRE_TIMES:
        raise Invalid(
            f"The range holds more than {MAX_FIRE_TIMES:,} fire times; take a shorter one.", "/end"
        )
    continues_at = named.pop() if budget.is_spent and len(named) > 1 else None
    budget = Budget(schedule.work, COUNTED_STEPS)
    times: list[datetime] = []
    for number, instant in enumerate(named):
        if number and budget.is_spent:
            return Counted(times, instant)
        if not is_excluded(schedule, instant):
            times.append(instant)
    return Counted(times, continues_at)
