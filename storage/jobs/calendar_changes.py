"""Changes of calendars, kept until every job that names the calendar has been brought up to them.

docs/adr/0001-calendars-reckon-later.md tells how a job is kept from ringing by what was before.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

import asyncpg

from domain.errors import Busy
from domain.schedules.schedule import Exclusion
from storage.jobs.rows import decode_exclusions
from storage.postgres.pools import Driver, search_by_terms
from storage.sql import statement

MOST_CHANGES = 20
"""Of a service may wait: each job that is behind is told of all of them."""

Excludes = Mapping[str, tuple[Exclusion, ...]]
JobRow: TypeAlias = Mapping[str, Any] | asyncpg.Record
"""Columns of a job that is locked."""

# Numbered in the order in which they commit: a job that was brought up to one has seen all before.
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtext('calendar_changes'), hashtext($1::text))"
_COUNT = "SELECT count(*) FROM calendar_changes WHERE service_id = $1"
_NOTE = statement("calendars/note_change")
_PENDING = statement("calendars/pending_changes")
_NEWEST = "SELECT max(id) FROM calendar_changes WHERE service_id = $1 AND name = ANY ($2)"
_SEEN = "UPDATE jobs SET calendar_change = $3 WHERE service_id = $1 AND id = $2"
_OLDEST = "SELECT service_id, id FROM calendar_changes ORDER BY continue_at, id LIMIT 1"
_LOCK = statement("calendars/lock_change")
_MOVE_ON = statement("calendars/move_on")
_FORGET = "DELETE FROM calendar_changes WHERE service_id = $1 AND id = $2"
_SOON = statement("calendars/lock_soon")
_WITHDRAW = statement("calendars/withdraw_ahead")
_ARE_AHEAD = statement("calendars/are_ahead")
_DUE = statement("calendars/lock_due")
_NEXT = statement("calendars/lock_next")
_ARE_STALE = statement("calendars/are_stale")


class CalendarChange(NamedTuple):
    """A change that some jobs have not been brought up to.

    Attributes:
        exclude: What the calendar held before.
    """

    id: int
    name: str
    at: datetime
    exclude: tuple[Exclusion, ...]


class WhatIsLeft(NamedTuple):
    """Attributes:
    done_to: The jobs up to this id have been looked at.
    """

    service_id: UUID
    id: int
    name: str
    done_to: UUID | None


async def note_change(
    driver: Driver, service_id: UUID, name: str, at: datetime, exclude: str
) -> int:
    """Keep what a calendar held before, which is locked by whoever changes it; return a number.

    Raises:
        Busy: When the service's jobs have not been brought up to as many changes as may wait.
    """
    await driver.execute(_ONE_AT_A_TIME, str(service_id))
    if await driver.fetchval(_COUNT, service_id) >= MOST_CHANGES:
        raise Busy(
            "The service's jobs are still being reckoned anew after the last changes of its "
            "calendars; try again."
        )
    number: int = await _NOTE.fetchval(
        driver, service_id=service_id, name=name, at=at, exclude=exclude
    )
    return number


async def pending_changes(
    driver: Driver, service_id: UUID, names: Collection[str], after: int | None
) -> list[CalendarChange]:
    """Changes of calendars behind one, in their order."""
    rows = await _PENDING.fetch(driver, service_id=service_id, names=list(names), after=after or 0)
    return [
        CalendarChange(row["id"], row["name"], row["at"], decode_exclusions(row["exclude"]))
        for row in rows
    ]


async def newest_change(driver: Driver, service_id: UUID, names: Collection[str]) -> int | None:
    """The last change of locked calendars that some jobs are behind: who reads them has seen it."""
    return await driver.fetchval(_NEWEST, service_id, list(names)) if names else None


async def note_seen(driver: Driver, service_id: UUID, job_id: UUID, change: int) -> None:
    """A job, made in this transaction, is reckoned by a change and all before it."""
    await driver.execute(_SEEN, service_id, job_id, change)


def in_force(now: Excludes, changes: Sequence[CalendarChange]) -> Excludes:
    """What calendars held before the first of the changes, if these are all since."""
    return {**now, **{change.name: change.exclude for change in reversed(changes)}}


async def lock_soon(
    driver: Driver, service_id: UUID, name: str, at: datetime, until: datetime
) -> list[UUID]:
    """Lock the jobs naming a calendar of which runs may have been claimed that are due after `at`.

    Args:
        until: What falls due up to here, a claim may have in hand.
    """
    async with search_by_terms(driver):
        rows = await _SOON.fetch(driver, service_id=service_id, name=name, at=at, until=until)
    return [row["id"] for row in rows]


async def withdraw_ahead(
    driver: Driver, service_id: UUID, job_ids: Sequence[UUID], at: datetime
) -> bool:
    """Undo what was claimed of locked jobs for after `at`; return whether any of it is left."""
    await _WITHDRAW.execute(driver, service_id=service_id, job_ids=job_ids, at=at)
    return bool(await _ARE_AHEAD.fetchval(driver, service_id=service_id, job_ids=job_ids, at=at))


async def oldest_change(driver: Driver) -> tuple[UUID, int] | None:
    """Service and number of the change that was looked at longest ago; None for none."""
    row = await driver.fetchrow(_OLDEST)
    return row and (row["service_id"], row["id"])


async def lock_what_is_left(driver: Driver, service_id: UUID, number: int) -> WhatIsLeft | None:
    """Lock a change; None when it is done, or others are at it."""
    row = await _LOCK.fetchrow(driver, service_id=service_id, change_id=number)
    return row and WhatIsLeft(*row)


async def lock_due(driver: Driver, left: WhatIsLeft, until: datetime, most: int) -> list[JobRow]:
    """Lock jobs that have not been brought up to a change and fall due, the first first."""
    async with search_by_terms(driver):
        rows = await _DUE.fetch(driver, **_key(left), until=until, most=most)
    return [dict(row) for row in rows]


async def lock_next(driver: Driver, left: WhatIsLeft, most: int) -> list[JobRow]:
    """The same in the order of their ids, from where it has come to."""
    async with search_by_terms(driver):
        rows = await _NEXT.fetch(driver, **_key(left), done_to=left.done_to, most=most)
    return [dict(row) for row in rows]


async def move_on(driver: Driver, left: WhatIsLeft, done_to: UUID | None, now: datetime) -> None:
    """Note how far it has come."""
    await _MOVE_ON.execute(
        driver, service_id=left.service_id, change_id=left.id, done_to=done_to, continue_at=now
    )


async def forget_if_done(driver: Driver, left: WhatIsLeft) -> bool:
    """Whether all jobs have been brought up to it; then it is forgotten."""
    async with search_by_terms(driver):
        are_stale = await _ARE_STALE.fetchval(driver, **_key(left))
    if are_stale:
        return False
    await driver.execute(_FORGET, left.service_id, left.id)
    return True


def _key(left: WhatIsLeft) -> dict[str, object]:
    return {"service_id": left.service_id, "name": left.name, "change_id": left.id}
