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
from storage.jobs import decode_exclusions
from storage.postgres import Driver

MOST_CHANGES = 20
"""Of a service may wait: each job that is behind is told of all of them."""

Excludes = Mapping[str, tuple[Exclusion, ...]]
JobRow: TypeAlias = Mapping[str, Any] | asyncpg.Record
"""Columns of a job that is locked."""

# Numbered in the order in which they commit: a job that was brought up to one has seen all before.
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtext('calendar_changes'), hashtext($1::text))"
_COUNT = "SELECT count(*) FROM calendar_changes WHERE service_id = $1"
_NOTE = """
INSERT INTO calendar_changes (service_id, name, at, exclude, continue_at)
VALUES ($1, $2, $3, $4::text::json, $3) RETURNING id
"""
_PENDING = """
SELECT id, name, at, exclude::text FROM calendar_changes
WHERE service_id = $1 AND name = ANY ($2) AND id > $3 ORDER BY id
"""
_NEWEST = "SELECT max(id) FROM calendar_changes WHERE service_id = $1 AND name = ANY ($2)"
_SEEN = "UPDATE jobs SET calendar_change = $3 WHERE service_id = $1 AND id = $2"
_OLDEST = "SELECT service_id, id FROM calendar_changes ORDER BY continue_at, id LIMIT 1"
_LOCK = """
SELECT service_id, id, name, done_to FROM calendar_changes
WHERE service_id = $1 AND id = $2 FOR UPDATE SKIP LOCKED
"""
_MOVE_ON = """
UPDATE calendar_changes SET done_to = $3, continue_at = $4 WHERE service_id = $1 AND id = $2
"""
_FORGET = "DELETE FROM calendar_changes WHERE service_id = $1 AND id = $2"
_NAMING = """
service_id = $1 AND calendars @> ARRAY[$2::text] AND NOT paused
"""
# With a second more than what dispatchers look ahead by, and one for what their clocks may differ.
_SOON = f"""
SELECT id FROM jobs
WHERE {_NAMING} AND (accounted_to > $3 OR next_claim_at <= $4)
ORDER BY id FOR UPDATE
"""
_AHEAD = """
runs.service_id = $1 AND runs.scheduled_for > $3 AND runs.trigger = 'schedule' AND runs.open
    AND runs.state IN ('scheduled', 'queued') AND runs.attempt_count = 0
"""
# A run that begins at this moment is left alone: the look that follows finds it begun, or not.
_WITHDRAW = f"""
WITH gone AS (
    DELETE FROM runs WHERE (service_id, job_id, scheduled_for, generation) IN (
        SELECT runs.service_id, runs.job_id, runs.scheduled_for, runs.generation
        FROM unnest($2::uuid[]) AS job (id) JOIN runs ON runs.job_id = job.id
        WHERE {_AHEAD}
        FOR UPDATE OF runs SKIP LOCKED
    )
    RETURNING job_id, scheduled_for, due_at
), first AS (
    SELECT job_id, min(scheduled_for) AS scheduled_for, min(due_at) AS due_at,
        count(*)::int AS count
    FROM gone GROUP BY job_id
)
UPDATE jobs
SET next_fire_for = first.scheduled_for, next_claim_at = first.due_at,
    accounted_to = first.scheduled_for - interval '1 microsecond',
    run_count = greatest(run_count - first.count, 0),
    claimed_for = ARRAY(
        SELECT instant FROM unnest(claimed_for) AS instant WHERE instant < first.scheduled_for
    )
FROM first
WHERE jobs.service_id = $1 AND jobs.id = first.job_id
"""
_ARE_AHEAD = f"""
SELECT EXISTS (
    SELECT FROM unnest($2::uuid[]) AS job (id) JOIN runs ON runs.job_id = job.id WHERE {_AHEAD}
)
"""
_COLUMNS = """
service_id, id, schedule::text, calendars, calendar_change, paused, run_count, next_fire_for,
    next_claim_at, accounted_to, claimed_for
"""
_STALE = f"{_NAMING} AND coalesce(calendar_change, 0) < $3"
# Nobody is waited for: what others have in hand is found again before the change is forgotten.
_DUE = f"""
SELECT {_COLUMNS} FROM jobs
WHERE {_STALE} AND next_claim_at <= $4 ORDER BY next_claim_at LIMIT $5
FOR UPDATE SKIP LOCKED
"""
_NEXT = f"""
SELECT {_COLUMNS} FROM jobs
WHERE {_STALE} AND ($4::uuid IS NULL OR id > $4) ORDER BY id LIMIT $5
FOR UPDATE SKIP LOCKED
"""
_ARE_STALE = f"SELECT EXISTS (SELECT FROM jobs WHERE {_STALE})"


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
    number: int = await driver.fetchval(_NOTE, service_id, name, at, exclude)
    return number


async def pending_changes(
    driver: Driver, service_id: UUID, names: Collection[str], after: int | None
) -> list[CalendarChange]:
    """Changes of calendars behind one, in their order."""
    rows = await driver.fetch(_PENDING, service_id, list(names), after or 0)
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
    return [row["id"] for row in await driver.fetch(_SOON, service_id, name, at, until)]


async def withdraw_ahead(
    driver: Driver, service_id: UUID, job_ids: Sequence[UUID], at: datetime
) -> bool:
    """Undo what was claimed of locked jobs for after `at`; return whether any of it is left."""
    await driver.execute(_WITHDRAW, service_id, job_ids, at)
    return bool(await driver.fetchval(_ARE_AHEAD, service_id, job_ids, at))


async def oldest_change(driver: Driver) -> tuple[UUID, int] | None:
    """Service and number of the change that was looked at longest ago; None for none."""
    row = await driver.fetchrow(_OLDEST)
    return row and (row["service_id"], row["id"])


async def lock_what_is_left(driver: Driver, service_id: UUID, number: int) -> WhatIsLeft | None:
    """Lock a change; None when it is done, or others are at it."""
    row = await driver.fetchrow(_LOCK, service_id, number)
    return row and WhatIsLeft(*row)


async def lock_due(driver: Driver, left: WhatIsLeft, until: datetime, most: int) -> list[JobRow]:
    """Lock jobs that have not been brought up to a change and fall due, the first first."""
    key = (left.service_id, left.name, left.id)
    return [dict(row) for row in await driver.fetch(_DUE, *key, until, most)]


async def lock_next(driver: Driver, left: WhatIsLeft, most: int) -> list[JobRow]:
    """The same in the order of their ids, from where it has come to."""
    key = (left.service_id, left.name, left.id)
    return [dict(row) for row in await driver.fetch(_NEXT, *key, left.done_to, most)]


async def move_on(driver: Driver, left: WhatIsLeft, done_to: UUID | None, now: datetime) -> None:
    """Note how far it has come."""
    await driver.execute(_MOVE_ON, left.service_id, left.id, done_to, now)


async def forget_if_done(driver: Driver, left: WhatIsLeft) -> bool:
    """Whether all jobs have been brought up to it; then it is forgotten."""
    if await driver.fetchval(_ARE_STALE, left.service_id, left.name, left.id):
        return False
    await driver.execute(_FORGET, left.service_id, left.id)
    return True
