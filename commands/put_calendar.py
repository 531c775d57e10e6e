"""Make a calendar, or replace what it holds."""

from __future__ import annotations

import asyncio
from datetime import datetime

from msgspec import Struct

from commands.continue_calendars import ALLOWANCE, ContinueCalendar, continue_calendar
from domain.caller import Caller
from domain.errors import Busy
from domain.ids import new_id
from domain.schedules.calendar import Calendar, check_exclusions
from domain.schedules.schedule import Exclusion
from storage.audit import record
from storage.calendar_changes import lock_soon, note_change, withdraw_ahead
from storage.calendars import CALENDAR_COLUMNS, calendar_of
from storage.jobs import decode_exclusions, encode
from storage.quotas import refuse_one_too_many
from storage.shards import LOOK_AHEAD, Shard, Shards
from storage.tables import calendars
from storage.transactions import WriteConnection

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


class PutCalendar(Struct, frozen=True, kw_only=True):
    caller: Caller
    name: str
    description: str
    exclude: tuple[Exclusion, ...]
    now: datetime


async def put_calendar(command: PutCalendar, shards: Shards) -> Calendar:
    """Store the calendar; from then on no job that names it rings by what it held before.

    The first jobs are reckoned anew at once, and the others by dispatchers.

    Raises:
        Busy: When it is stored, but runs are held up as they begin, and may still ring by the old;
            or when too many changes wait for the service's jobs to be brought up to them.
        Invalid: When it holds nonsense.
        QuotaExceeded: When the service has as many calendars as it may.
    """
    check_exclusions(command.exclude)
    service_id = command.caller.service_id
    shard = shards.of(service_id)
    async with shard.writing(service_id) as connection:
        calendar, change = await _store(connection, command, shard)
        await record(
            connection, command.caller, "calendar.put", new_id(), command.now, name=command.name
        )
    if change is not None:
        await _withdraw_ahead(command, shard)
        await continue_calendar(
            ContinueCalendar(service_id=service_id, change=change, now=command.now), shard
        )
    return calendar


async def _store(
    connection: WriteConnection, command: PutCalendar, shard: Shard
) -> tuple[Calendar, int | None]:
    """The calendar, and the number of its change if jobs are to be brought up to that.

    Commands on a job lock it and then its calendars; so whoever has the calendar waits for no job.
    """
    driver = await shard.database.transactions.begun(connection)
    key = (command.caller.service_id, command.name)
    values = (*key, command.description, encode(command.exclude).decode(), command.now)
    while (before := await driver.fetchrow(_LOCK, *key)) is None:
        if (made := await driver.fetchrow(_MAKE, *values)) is not None:
            await refuse_one_too_many(connection, calendars, command.caller.service_id)
            return calendar_of(made), None
    calendar = calendar_of(await driver.fetchrow(_REPLACE, *values))
    unchanged = decode_exclusions(before["exclude"]) == command.exclude
    # Those that came to name it meanwhile have kept this command from replacing it.
    if unchanged or not await driver.fetchval(_IS_NAMED, *key):
        return calendar, None
    return calendar, await note_change(driver, *key, command.now, before["exclude"])


async def _withdraw_ahead(command: PutCalendar, shard: Shard) -> None:
    """Undo what was claimed ahead by the old calendar: claims read the new one from now on.

    A claim that has read the old one has its jobs locked, and is waited for here.
    """
    service_id, until = command.caller.service_id, command.now + LOOK_AHEAD + ALLOWANCE
    async with shard.writing(service_id) as connection:
        driver = await shard.database.transactions.begun(connection)
        soon = await lock_soon(driver, service_id, command.name, command.now, until)
        for _ in range(LOOKS):
            if not soon or not await withdraw_ahead(driver, service_id, soon, command.now):
                return
            await asyncio.sleep(BEGINNING_SECONDS)
        raise Busy("Runs of jobs that name the calendar are held up as they begin; try again.")
