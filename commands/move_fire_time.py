"""Move a job's next fire time to where newer tables of time zones have it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from msgspec import Struct
from sqlalchemy import RowMapping, select

from domain.caller import Caller
from domain.errors import NotFound
from domain.run import Trigger
from domain.schedules.newer_tables import Claimed, next_by_newer_tables
from domain.schedules.schedule import due_time
from storage.audit import record
from storage.documents.instants import instant_or_none
from storage.job_changes import change_job, lock_job, stored_schedule
from storage.job_entries import entry_of
from storage.shards import Shard
from storage.shared_cache import NewEntry
from storage.tables import runs
from storage.transactions import WriteConnection

_MOST = timedelta(days=1)
"""No table moves a wall time by more."""


class MoveFireTime(Struct, frozen=True, kw_only=True):
    """Attributes:
    version: Of the tables.
    """

    service_id: UUID
    job_id: UUID
    version: str
    now: datetime


async def move_fire_time(command: MoveFireTime, shard: Shard) -> bool:
    """Reckon the job's next fire time anew; whether it has changed.

    What has been claimed stays as it is: it rings when it was to, and its wall time not again.
    """
    made: list[NewEntry] = []
    async with shard.writing(command.service_id, made) as connection:
        try:
            row = await lock_job(connection, command.service_id, command.job_id)
        except NotFound:
            return False
        changes = await _changes(connection, row)
        if not changes:
            return False
        job = await change_job(connection, row, command.now, **changes)
        made.append(entry_of(job, command.now))
        dispatcher = Caller(service_id=command.service_id, principal="dispatcher", request_id="")
        await record(
            connection,
            dispatcher,
            "job.fire_time_moved",
            command.job_id,
            command.now,
            tzdata=command.version,
            before={"next_fire_at": instant_or_none(row["next_fire_for"])},
            after={"next_fire_at": instant_or_none(changes["next_fire_for"])},
        )
    await shard.wake_for(changes["next_claim_at"], command.now)
    return True


async def _changes(connection: WriteConnection, row: RowMapping) -> dict[str, Any]:
    """The changes to a locked job's row, none if its next fire time stays."""
    if row["next_fire_for"] is None or row["next_fire_for"] <= row["accounted_to"]:
        return {}
    schedule = await stored_schedule(connection, row)
    result = await connection.execute(
        select(runs.c.scheduled_for, runs.c.utc_offset).where(
            runs.c.service_id == row["service_id"],
            runs.c.job_id == row["id"],
            runs.c.scheduled_for > row["accounted_to"] - _MOST,
            runs.c.trigger == Trigger.SCHEDULE,
        )
    )
    claimed = [Claimed(*found) for found in result]
    upcoming = next_by_newer_tables(schedule, after=row["accounted_to"], claimed=claimed)
    if upcoming == row["next_fire_for"]:
        return {}
    claim_at = None if upcoming is None else due_time(schedule, upcoming)
    return {"next_fire_for": upcoming, "next_claim_at": claim_at}
