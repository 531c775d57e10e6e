"""Bring jobs up to a change of a calendar that they name, some at a time."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from msgspec import Struct

from storage.jobs.calendar_changes import (
    JobRow,
    WhatIsLeft,
    forget_if_done,
    lock_due,
    lock_next,
    lock_what_is_left,
    move_on,
)
from storage.jobs.changes import brought_up, write_changes
from storage.jobs.search_index import LIST_AT
from storage.postgres.pools import Driver
from storage.shards import LOOK_AHEAD, Shard

JOBS_AT_ONCE = 100
"""Each takes some milliseconds, and those before it stay locked meanwhile."""
ALLOWANCE = timedelta(seconds=2)
"""Beyond the look-ahead: for the difference of clocks, and for claims in progress."""


class ContinueCalendar(Struct, frozen=True, kw_only=True):
    """Attributes:
    change: Its number.
    """

    service_id: UUID
    change: int
    now: datetime


async def continue_calendar(command: ContinueCalendar, shard: Shard) -> bool:
    """Bring some jobs up to a change, those first that fall due; return whether more are left.

    What was done stays done whenever a process dies, since each job records the change that it was
    brought up to. While one process works on a change, others do nothing.
    """
    dues: list[datetime | None] = []
    async with shard.writing(command.service_id) as driver:
        left = await lock_what_is_left(driver, command.service_id, command.change)
        if left is None:
            return False
        due = await lock_due(driver, left, command.now + LOOK_AHEAD + ALLOWANCE, JOBS_AT_ONCE)
        dues += [await _bring_up(driver, job, command.now) for job in due]
        if len(due) < JOBS_AT_ONCE:
            dues_of_others, done = await _go_on(driver, left, command.now)
            dues += dues_of_others
        else:
            done = False
            await move_on(driver, left, left.done_to, command.now)
    await shard.wake_for(min(filter(None, dues), default=None), command.now)
    return not done


async def _go_on(
    driver: Driver, left: WhatIsLeft, now: datetime
) -> tuple[list[datetime | None], bool]:
    """Bring up the next jobs; return when they are due, and whether those were the last."""
    found = await lock_next(driver, left, JOBS_AT_ONCE)
    dues = [await _bring_up(driver, job, now) for job in found]
    if len(found) == JOBS_AT_ONCE:
        await move_on(driver, left, found[-1]["id"], now)
        return dues, False
    done = await forget_if_done(driver, left)
    if not done:  # others had some in hand, or resumed them
        await move_on(driver, left, None, now)
    return dues, done


async def _bring_up(driver: Driver, job: JobRow, now: datetime) -> datetime | None:
    changes = await brought_up(driver, job)
    if not changes:
        return None
    await write_changes(driver, job, {**changes, "updated_at": now})
    await LIST_AT.execute(driver, service_id=job["service_id"], id=job["id"], updated_at=now)
    due: datetime | None = changes.get("next_claim_at")
    return due
