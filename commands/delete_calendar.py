"""Delete a calendar."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct
from sqlalchemy import delete, select

from domain.caller import Caller
from domain.errors import Conflict, NotFound
from domain.ids import new_id
from storage.audit import record
from storage.shards import Shards
from storage.tables import calendars, jobs


class DeleteCalendar(Struct, frozen=True, kw_only=True):
    caller: Caller
    name: str
    now: datetime


async def delete_calendar(command: DeleteCalendar, shards: Shards) -> None:
    """Delete the calendar.

    Raises:
        Conflict: When a job's schedule names it.
        NotFound: When the service has no such calendar.
    """
    service_id = command.caller.service_id
    async with shards.of(service_id).writing(service_id, made=()) as connection:
        # The delete waits for commands that hold the calendar in order to name it.
        gone = await connection.execute(
            delete(calendars).where(
                calendars.c.service_id == service_id, calendars.c.name == command.name
            )
        )
        if not gone.rowcount:
            raise NotFound(f"There is no calendar {command.name!r}.")
        user = await connection.scalar(
            select(jobs.c.id)
            .where(jobs.c.service_id == service_id, jobs.c.calendars.contains([command.name]))
            .limit(1)
        )
        if user is not None:
            raise Conflict(f"Job {user} uses this calendar; give it another schedule first.")
        await record(
            connection,
            command.caller,
            "calendar.deleted",
            new_id(),
            command.now,
            name=command.name,
        )
