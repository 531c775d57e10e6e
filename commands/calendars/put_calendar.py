"""Make a calendar, or replace what it holds."""

from __future__ import annotations

import asyncio
from functools import partial

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects.postgresql import insert

from commands.calendars.continue_calendars import ALLOWANCE, ContinueCalendar, continue_calendar
from commands.unit_of_work import Command, UnitOfWork, unit_of_work
from domain.errors import Busy
from domain.ids import new_id
from domain.schedules.calendar import Calendar, check_exclusions
from domain.schedules.schedule import Exclusion
from storage.jobs.calendar_changes import lock_soon, note_change, withdraw_ahead
from storage.jobs.calendars import calendar_of
from storage.jobs.rows import decode_exclusions, encode
from storage.postgres.pools import Driver, search_by_terms
from storage.postgres.statements import Statement, given, values_of
from storage.schema.tables import calendars
from storage.services.quotas import refuse_one_too_many
from storage.shards import LOOK_AHEAD, Shard

_THIS = given(calendars.c.service_id, calendars.c.name)
_LOCK = Statement(select(calendars).where(*_THIS).with_for_update())
_MAKE = Statement(
    insert(calendars)
    .values(
        **values_of("service_id", "name", "description", "exclude"),
        version=1,
        created_at=bindparam("now"),
        updated_at=bindparam("now"),
    )
    .on_conflict_do_nothing()
    .returning(calendars)
)
_REPLACE = Statement(
    update(calendars)
    .where(*_THIS)
    .values(
        **values_of("description", "exclude"),
        version=calendars.c.version + 1,
        updated_at=bindparam("now"),
    )
    .returning(calendars)
)
_IS_NAMED = """
SELECT EXISTS (SELECT FROM jobs WHERE service_id = $1 AND calendars @> ARRAY[$2::text])
"""
BEGINNING_SECONDS = 0.01
"""How long a run takes to begin, once its row is locked."""
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
    calendar, change = await _store(driver, command)
    await uow.audit("calendar.put", new_id(), name=command.name)
    if change is not None:
        uow.afterwards(partial(_withdraw_ahead, command, uow.shard))
        continuing = ContinueCalendar(service_id=command.service_id, change=change, now=command.now)
        uow.afterwards(partial(continue_calendar, continuing, uow.shard))
    return calendar


async def _store(driver: Driver, command: PutCalendar) -> tuple[Calendar, int | None]:
    """The calendar, and the number of its change if jobs are to be brought up to that.

    Commands on a job lock the job first, then its calendars: whoever holds a calendar locks no job.
    """
    service_id, name = command.service_id, command.name
    key = {"service_id": service_id, "name": name}
    values = {
        "description": command.description,
        "exclude": encode(command.exclude).decode(),
        "now": command.now,
    }
    while (before := await _LOCK.fetchrow(driver, **key)) is None:
        if (made := await _MAKE.fetchrow(driver, **key, **values)) is not None:
            await refuse_one_too_many(driver, calendars, service_id)
            return calendar_of(made), None
    (replaced,) = await _REPLACE.fetch(driver, **key, **values)
    calendar = calendar_of(replaced)
    unchanged = decode_exclusions(before["exclude"]) == command.exclude
    # A command that begins to name it locks it first, so the look below misses none.
    if unchanged:
        return calendar, None
    async with search_by_terms(driver):
        is_named = await driver.fetchval(_IS_NAMED, service_id, name)
    if not is_named:
        return calendar, None
    return calendar, await note_change(driver, service_id, name, command.now, before["exclude"])


async def _withdraw_ahead(command: PutCalendar, shard: Shard) -> None:
    """Undo what was claimed ahead by the old calendar: claims read the new one from now on.

    A claim that has read the old one has its jobs locked, and is waited for here.
    """
    service_id, until = command.service_id, command.now + LOOK_AHEAD + ALLOWANCE
    async with shard.writing(service_id) as driver:
        soon = await lock_soon(driver, service_id, command.name, command.now, until)
        for _ in range(LOOKS):
            if not soon or not await withdraw_ahead(driver, service_id, soon, command.now):
                return
            await asyncio.sleep(BEGINNING_SECONDS)
        raise Busy("Runs of jobs that name the calendar are held up as they begin; try again.")
