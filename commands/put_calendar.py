"""Make a calendar, or replace what it holds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from sqlalchemy import ColumnElement, RowMapping, Uuid, all_, literal, select, text
from sqlalchemy.dialects.postgresql import ARRAY, insert

from domain.caller import Caller
from domain.catchup import Outcome
from domain.ids import new_id
from domain.schedules.calendar import Calendar, check_exclusions
from domain.schedules.schedule import TICK, Exclusion
from storage.audit import record
from storage.calendars import calendar_of
from storage.job_changes import (
    after,
    at_its_end,
    change_from,
    change_job,
    stored_schedule,
    withdraw_to_come,
    write_account,
)
from storage.pooled import bounding_transaction
from storage.quotas import refuse_one_too_many
from storage.shards import Shards
from storage.tables import calendars, jobs
from storage.transactions import WriteConnection

_UNBOUNDED = text(f"SELECT {bounding_transaction('0')}")


class PutCalendar(Struct, frozen=True, kw_only=True):
    caller: Caller
    name: str
    description: str
    exclude: tuple[Exclusion, ...]
    now: datetime


async def put_calendar(command: PutCalendar, shards: Shards) -> Calendar:
    """Store the calendar; it holds at once for every job that names it.

    Raises:
        Invalid: When it holds nonsense.
        QuotaExceeded: When the service has as many calendars as it may.
    """
    check_exclusions(command.exclude)
    service_id = command.caller.service_id
    shard = shards.of(service_id)
    async with shard.writing(service_id) as connection:
        # Each job that names it takes some milliseconds.
        await connection.execute(_UNBOUNDED)
        while (stored := await _stored(connection, command)) is None:
            pass  # a job was in others' hands: the next try begins by waiting for it
        calendar, wake_for = stored
        await record(
            connection, command.caller, "calendar.put", new_id(), command.now, name=command.name
        )
    await shard.wake_for(min(filter(None, wake_for), default=None), command.now)
    return calendar


async def _stored(
    connection: WriteConnection, command: PutCalendar
) -> tuple[Calendar, list[datetime | None]] | None:
    """The calendar, and when the jobs that name it are due; None, and nothing is changed or locked.

    Commands on a job lock it and then its calendars, and so it is done here: a wait for a job
    with the calendar in hand might be a wait for a command that waits for the calendar.
    """
    savepoint = await connection.begin_nested()
    rows = await _lock_jobs(connection, command)
    changes = [await _before(connection, row, command.now) for row in rows]
    calendar = await _store(connection, command)
    wake_for = [
        await _reckon_anew(connection, row, change, command.now)
        for row, change in zip(rows, changes, strict=True)
    ]
    # Those that came to name the calendar meanwhile have kept this command from storing it.
    known = [row["id"] for row in rows]
    came = await _lock_jobs(connection, command, known, skip_locked=True)
    if await _any_other(connection, command, [*known, *(row["id"] for row in came)]):
        await savepoint.rollback()
        return None
    for row in came:
        since = await change_from(connection, row, command.now)
        change = await withdraw_to_come(connection, row, since)
        wake_for.append(await _reckon_anew(connection, row, change, command.now))
    await savepoint.commit()
    return calendar, wake_for


async def _lock_jobs(
    connection: WriteConnection,
    command: PutCalendar,
    known: Sequence[UUID] = (),
    *,
    skip_locked: bool = False,
) -> Sequence[RowMapping]:
    """The jobs that name the calendar; a paused one is reckoned with when it is resumed."""
    naming = await connection.execute(
        select(jobs)
        .where(*_naming(command, known))
        .order_by(jobs.c.id)
        .with_for_update(skip_locked=skip_locked)
    )
    return naming.mappings().all()


async def _any_other(
    connection: WriteConnection, command: PutCalendar, known: Sequence[UUID]
) -> bool:
    other = await connection.scalar(select(jobs.c.id).where(*_naming(command, known)).limit(1))
    return other is not None


def _naming(command: PutCalendar, known: Sequence[UUID]) -> tuple[ColumnElement[bool], ...]:
    return (
        jobs.c.service_id == command.caller.service_id,
        jobs.c.calendars.contains([command.name]),
        ~jobs.c.paused,
        # As one parameter: a statement may have 32,767 of them.
        jobs.c.id != all_(literal(list(known), ARRAY(Uuid))),
    )


async def _store(connection: WriteConnection, command: PutCalendar) -> Calendar:
    statement = insert(calendars).values(
        service_id=command.caller.service_id,
        name=command.name,
        description=command.description,
        exclude=command.exclude,
        version=1,
        created_at=command.now,
        updated_at=command.now,
    )
    stored = await connection.execute(
        statement.on_conflict_do_update(
            index_elements=[calendars.c.service_id, calendars.c.name],
            set_={
                "description": statement.excluded.description,
                "exclude": statement.excluded.exclude,
                "version": calendars.c.version + 1,
                "updated_at": statement.excluded.updated_at,
            },
        ).returning(calendars)
    )
    calendar = calendar_of(stored.mappings().one())
    if calendar.version == 1:
        await refuse_one_too_many(connection, calendars, command.caller.service_id)
    return calendar


async def _before(connection: WriteConnection, row: RowMapping, now: datetime) -> dict[str, Any]:
    """Undo a job's claim-ahead and write what the old calendar excluded so far.

    Returns:
        The changes to the job's row.
    """
    now = await change_from(connection, row, now)
    changes = await withdraw_to_come(connection, row, now)
    known = {**row, **changes}
    upcoming, until = known["next_fire_for"], now
    if upcoming is not None and upcoming <= now:
        until = upcoming - TICK  # it and what follows is for the next claim to decide on
    schedule = await stored_schedule(connection, row)
    if at_its_end(schedule, known["run_count"]):
        return changes  # nothing is told of beyond its last run, unless that is given back
    await write_account(connection, row, schedule, Outcome.EXCLUDED, until=until, changes=changes)
    return {**changes, "accounted_to": max(until, known["accounted_to"])}


async def _reckon_anew(
    connection: WriteConnection, row: RowMapping, changes: dict[str, Any], now: datetime
) -> datetime | None:
    schedule = await stored_schedule(connection, row)
    known = {**row, **changes}
    if not at_its_end(schedule, known["run_count"]):
        changes = {**changes, **after(schedule, known["accounted_to"], known["run_count"])}
    await change_job(connection, row, now, **changes)
    due: datetime | None = changes.get("next_claim_at")
    return due
