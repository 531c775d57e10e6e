"""Move a job's next fire time to where newer tables of time zones have it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import bindparam, select

from commands.unit_of_work import Command, UnitOfWork, unit_of_work
from domain.errors import NotFound
from domain.runs.run import Trigger
from domain.schedules.fire_times import due_time
from domain.schedules.newer_tables import Claimed, next_by_newer_tables
from storage.cache.job_cache_entry import cache_entry_of
from storage.documents.instants import instant_or_none
from storage.jobs.changes import change_job, lock_job, stored_schedule
from storage.postgres.pools import Driver
from storage.postgres.statements import Statement, given
from storage.schema.tables import runs

_MOST = timedelta(days=1)
"""No table moves a wall time by more."""


_CLAIMED = Statement(
    select(runs.c.scheduled_for, runs.c.utc_offset).where(
        *given(runs.c.service_id, runs.c.job_id),
        runs.c.scheduled_for > bindparam("since"),
        runs.c.trigger == Trigger.SCHEDULE,
    )
)


class MoveFireTime(Command, frozen=True, kw_only=True):
    """Attributes:
    version: Of the tables.
    """

    job_id: UUID
    version: str


@unit_of_work
async def move_fire_time(command: MoveFireTime, uow: UnitOfWork) -> bool:
    """Compute the job's next fire time anew; return whether it has changed.

    What has been claimed stays: it rings at its old instant, and not again at its new one.
    """
    driver = await uow.begin()
    uow.changes_only()
    try:
        row = await lock_job(driver, command.service_id, command.job_id)
    except NotFound:
        return False
    changes = await _changes(driver, row)
    if not changes:
        return False
    job = await change_job(driver, row, command.now, **changes)
    uow.changes_only(cache_entry_of(job, command.now))
    await uow.audit(
        "job.fire_time_moved",
        command.job_id,
        tzdata=command.version,
        before={"next_fire_at": instant_or_none(row["next_fire_for"])},
        after={"next_fire_at": instant_or_none(changes["next_fire_for"])},
    )
    uow.wake_dispatchers(changes["next_claim_at"])
    return True


async def _changes(driver: Driver, row: asyncpg.Record) -> dict[str, Any]:
    """The changes to a locked job's row, none if its next fire time stays."""
    if row["next_fire_for"] is None or row["next_fire_for"] <= row["accounted_to"]:
        return {}
    schedule = await stored_schedule(driver, row)
    found = await _CLAIMED.fetch(
        driver,
        service_id=row["service_id"],
        job_id=row["id"],
        since=row["accounted_to"] - _MOST,
    )
    claimed = [Claimed(*one) for one in found]
    upcoming = next_by_newer_tables(schedule, after=row["accounted_to"], claimed=claimed)
    if upcoming == row["next_fire_for"]:
        return {}
    claim_at = None if upcoming is None else due_time(schedule, upcoming)
    return {"next_fire_for": upcoming, "next_claim_at": claim_at}
