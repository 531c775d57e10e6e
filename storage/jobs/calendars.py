"""How a row of `calendars` becomes a Calendar, and which calendars a schedule names."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

import asyncpg

from domain.schedules.calendar import Calendar
from domain.schedules.schedule import Exclusion, Schedule, with_calendars
from storage.jobs.rows import decode_exclusions
from storage.postgres.pools import Driver

_NAMED = "SELECT name, exclude::text FROM calendars WHERE service_id = $1 AND name = ANY ($2)"
# Locked, so that none is changed or deleted before what names it is stored.
_NAMED_AND_LOCKED = _NAMED + " ORDER BY name FOR SHARE"


def calendar_of(row: asyncpg.Record) -> Calendar:
    """The calendar of a row."""
    return Calendar(
        name=row["name"],
        description=row["description"],
        exclude=decode_exclusions(row["exclude"]),
        version=row["version"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


async def full_schedule(
    driver: Driver, service_id: UUID, schedule: Schedule, *, lock: bool
) -> Schedule:
    """A schedule with its calendars filled in.

    Args:
        lock: Keep the calendars as they are until the transaction ends.

    Raises:
        Invalid: With a pointer to the name of a calendar that the service does not have.
    """
    if not schedule.calendars:
        return schedule
    known = await excludes_of(driver, service_id, schedule.calendars, lock=lock)
    return with_calendars(schedule, known)


async def excludes_of(
    driver: Driver, service_id: UUID, names: Iterable[str], *, lock: bool
) -> dict[str, tuple[Exclusion, ...]]:
    """What calendars hold, by name; `lock` as above."""
    statement = _NAMED_AND_LOCKED if lock else _NAMED
    rows = await driver.fetch(statement, service_id, list(names))
    return {row["name"]: decode_exclusions(row["exclude"]) for row in rows}
