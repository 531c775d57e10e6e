"""Make a calendar, or replace what it holds."""

from __future__ import annotations

import asyncio
from functools import partial

from commands.continue_calendars import ALLOWANCE, ContinueCalendar, continue_calendar
from commands.unit_of_work import Command, UnitOfWork, unit_of_work
from domain.errors import Busy
from domain.ids import new_id
from domain.schedules.calendar import Calendar, check_exclusions
from domain.schedules.schedule import Exclusion
from storage.calendar_changes import lock_soon, note_change, withdraw_ahead
from storage.calendars import CALENDAR_COLUMNS, calendar_of
from storage.jobs import decode_exclusions, encode
from storage.postgres import Driver, search_by_terms
from storage.quotas import refuse_one_too_many
from storage.shards import LOOK_AHEAD, Shard
from storage.tables import calendars

_LOCK = f"""
SELECT {CALENDAR_COLUMNS} FROM calendars WHERE service_id = $1 AND name = $2 FOR UPDATE
"""
_MAKE = f"""
INSERT INTO calendars (service_id, name, description, exclude, version, created_at, updated_at)
VALUES ($1, $2, $3, $4::text::json, 1, $5, $5)
ON CONFLICT DO NOTHING
RETURNING {CALENDAR_COLUMNS}
"""
_REPLACE = f"""
UPDATE calendars SET description = $3, exclude = $4::text::json, version = version + 1,
    updated_at = $5
WHERE service_id = $1 AND name = $2
RETURNING {CALENDAR_COLUMNS}
"""
_IS_NAMED = """
SELECT EXISTS (SELECT FROM jobs WHERE service_id = $1 AND calendars @> ARRAY[$2::text])
"""
BEGINNING_SECONDS = 0.01
"""So long it takes a run to begin, once it has its row."""
LOOKS = 500


class PutCalendar(Command, frozen=True, kw_only=True):
    name: str
    description: str
    exclude: tuple[Exclusion, ...]


@unit_of_work
async def put_calendar(command: PutCalendar, uow: UnitOfWork) -> Calendar:
    """Store the calendar; from then on no job that names it rings by what it held before.

    The first jobs are reckoned anew at once, and the others by dispatchers.

    Raises:
        Busy: When it is stored, but runs are held up as they begin, and may still ring by the old;
            or when too many changes wait for the service's jobs to be brought up to them.
        Invalid: When it holds nonsense.
        QuotaExceeded: When the service has as many calendars as it may.
    """
    check_exclusions(command.exclude)
    driver = await uow.begin()
    await search_by_terms(driver)
    calendar, change = await _store(driver, command)
    await uow.audit("calendar.put", new_id(), name=command.name)
    if change is not None:
        uow.afterwards(partial(_withdraw_ahead, command, uow.shard))
        continuing = ContinueCalendar(service_id=command.service_id, change=change, now=command.now)
        uow.afterwards(partial(continue_calendar, continuing, uow.shard))
    return calendar


async def _store(driver: Driver, command: PutCalendar) -> tuple[Calendar, int | None]:
    """The calendar, and the number of its change if jobs are to be brought up to that.

    Commands on a job lock it and then its calendars; so whoever has the calendar waits for no job.
    """
    key = (command.service_id, command.name)
    values = (*key, command.description, encode(command.exclude).decode(), command.now)
    while (before := await driver.fetchrow(_LOCK, *key)) is None:
        if (made := await driver.fetchrow(_MAKE, *values)) is not None:
            await refuse_one_too_many(driver, calendars, command.service_id)
            return calendar_of(made), None
    (replaced,) = await driver.fetch(_REPLACE, *values)
    calendar = calendar_of(replaced)
    unchanged = decode_exclusions(before["exclude"]) == command.exclude
    # Those that came to name it meanwhile have kept this command from replacing it.
    if unchanged or not await driver.fetchval(_IS_NAMED, *key):
        return calendar, None
    return calendar, await note_change(driver, *key, command.now, before["exclude"])


async def _withdraw_ahead(command: PutCalendar, shard: Shard) -> None:
    """Undo what was claimed ahead by the old calendar: claims read the new one from now on.

    A claim that has read the old one has its jobs locked, and is waited for here.
    """
    service_id, until = command.service_id, command.now + LOOK_AHEAD + ALLOWANCE
    async with shard.writing(service_id) as driver:
        await search_by_terms(driver)
        soon = await lock_soon(driver, service_id, command.name, command.now, until)
        for _ in range(LOOKS):
            if not soon or not await withdraw_ahead(driver, service_id, soon, command.now):
                return
            await asyncio.sleep(BEGINNING_SECONDS)
        raise Busy("Runs of jobs that name the calendar are held up as they begin; try again.")
