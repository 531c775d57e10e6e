"""Calendars, and jobs that name one."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from commands.calendars.continue_calendars import ContinueCalendar, continue_calendar
from commands.calendars.put_calendar import PutCalendar, put_calendar
from domain.jobs.job import Job
from domain.policies.catchup import CatchupPolicy, Coalesce
from domain.schedules.calendar import Calendar
from domain.schedules.schedule import Exclusion
from tests.commands.firing import NOON, SECOND, Firing

MINUTE = 60 * SECOND
DAY = timedelta(days=1)
NAMING = (Exclusion(calendar="holidays"),)
TODAY = Exclusion(date=NOON.date())
HALF_AN_HOUR = Exclusion(cron="0-29 12 * * *")
ALL = CatchupPolicy(window=DAY, coalesce=Coalesce.ALL, limit=1_000)


async def put(
    firing: Firing, *exclude: Exclusion, name: str = "holidays", now: datetime = NOON
) -> Calendar:
    command = PutCalendar(caller=firing.caller, name=name, description="", exclude=exclude, now=now)
    return await put_calendar(command, firing.shards)


async def settle(firing: Firing, *, now: datetime = NOON) -> None:
    """Do what dispatchers do, until all jobs have been brought up to all changes."""
    while (change := await left(firing)) is not None:
        command = ContinueCalendar(service_id=firing.caller.service_id, change=change, now=now)
        await continue_calendar(command, firing.shard)


async def left(firing: Firing) -> int | None:
    """A change that some jobs have not been brought up to."""
    rows = await firing.rows("SELECT id FROM calendar_changes ORDER BY id")
    return rows[0]["id"] if rows else None


async def naming_job(firing: Firing, **changes: object) -> Job:
    spec = {"every": MINUTE, "exclude": NAMING, "catchup": ALL, **changes}
    return await firing.job(now=NOON - SECOND, **spec)


async def next_fire(firing: Firing, job_id: UUID) -> datetime | None:
    found: datetime | None = (await firing.job_row(job_id))["next_fire_for"]
    return found
