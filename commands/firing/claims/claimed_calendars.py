"""The calendars that claimed jobs name."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import asyncpg
from msgspec import Struct

from domain.schedules.schedule import Exclusion
from storage.jobs.rows import decode_exclusions
from storage.postgres.pools import Driver
from storage.sql import statement

_CALENDARS = statement("claims/calendars")


class Calendars(Struct):
    """Those of a service that due jobs name.

    Attributes:
        changes: Of those that not all jobs have been brought up to: the last one.
    """

    exclude: dict[str, tuple[Exclusion, ...]] = {}
    changes: dict[str, int] = {}

    def is_stale(self, job: asyncpg.Record) -> bool:
        """Whether a job is still as one of its calendars was before."""
        if not self.changes:
            return False
        seen = job["calendar_change"] or 0
        return any(self.changes.get(name, 0) > seen for name in job["calendars"])


NO_CALENDARS = Calendars()


async def calendars_of(driver: Driver, due: Sequence[asyncpg.Record]) -> dict[UUID, Calendars]:
    """What the calendars hold that jobs name, by service."""
    named = {(job["service_id"], name) for job in due for name in job["calendars"]}
    if not named:
        return {}
    rows = await _CALENDARS.fetch(
        driver,
        service_ids=[service_id for service_id, _ in named],
        names=[name for _, name in named],
    )
    found: dict[UUID, Calendars] = {}
    for row in rows:
        of_service = found.setdefault(row["service_id"], Calendars())
        of_service.exclude[row["name"]] = decode_exclusions(row["exclude"])
        if row["change"] is not None:
            of_service.changes[row["name"]] = row["change"]
    return found
