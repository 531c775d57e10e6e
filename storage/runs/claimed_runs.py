"""A job's runs that were claimed of it and have not begun to ring."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
from sqlalchemy import all_, bindparam, case, delete, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY

from domain.policies.overlap import Overlap
from domain.runs.run import RunState, Trigger
from storage.jobs.calendar_changes import JobRow
from storage.postgres.pools import Driver
from storage.postgres.statements import Statement, given
from storage.queue.broker import RunKey
from storage.schema.columns import INSTANT
from storage.schema.tables import runs
from storage.sql import statement

_OF_JOB = given(runs.c.service_id, runs.c.job_id)
# What a claim-ahead wrote and no worker has rung yet.
_NOT_BEGUN = (
    *_OF_JOB,
    runs.c.open,
    or_(runs.c.state == RunState.SCHEDULED, runs.c.state == RunState.QUEUED),
    runs.c.attempt_count == 0,
    runs.c.trigger == Trigger.SCHEDULE,
)
_LATE = runs.c.scheduled_for <= bindparam("now")
# As one parameter: a statement may have 32,767 of them.
_OTHERS = runs.c.scheduled_for != all_(bindparam("keeping", type_=ARRAY(INSTANT)))
_FREED = case((runs.c.attempt_count == 0, RunState.SCHEDULED), else_=RunState.RETRYING)

_LATE_RUNS = Statement(select(runs.c.scheduled_for).where(*_NOT_BEGUN, _LATE))
_WITHDRAW_LATE = Statement(
    delete(runs).where(*_NOT_BEGUN, _LATE, _OTHERS).returning(runs.c.scheduled_for)
)
_WITHDRAW_LATER = Statement(
    delete(runs)
    .where(*_NOT_BEGUN, runs.c.scheduled_for > bindparam("now"))
    .returning(runs.c.scheduled_for)
)
_FREE = Statement(
    update(runs)
    .where(*_OF_JOB, runs.c.open, runs.c.state == RunState.QUEUED)
    .values(state=_FREED, held_by=None)
    .returning(runs.c.id)
)
_GIVE_OVERLAP = Statement(update(runs).where(*_NOT_BEGUN).values(overlap=bindparam("overlap")))

_CANCEL = statement("cancel/of_job")


async def late_runs(driver: Driver, row: JobRow, now: datetime) -> list[datetime]:
    """The fire times up to now of a locked job's runs that have not begun."""
    return _fire_times(await _LATE_RUNS.fetch(driver, **_key_of(row), now=now))


async def withdraw_late(
    driver: Driver, row: JobRow, now: datetime, keeping: Sequence[datetime] = ()
) -> list[datetime]:
    """Delete a locked job's runs of up to now that have not begun.

    Args:
        keeping: Fire times whose runs stay.

    Returns:
        Their fire times.
    """
    key = _key_of(row)
    return _fire_times(await _WITHDRAW_LATE.fetch(driver, **key, now=now, keeping=list(keeping)))


async def withdraw_later(driver: Driver, row: JobRow, now: datetime) -> list[datetime]:
    """Delete a locked job's runs of later than now that have not begun; return their fire times."""
    return _fire_times(await _WITHDRAW_LATER.fetch(driver, **_key_of(row), now=now))


async def free_runs(driver: Driver, row: JobRow, overlap: Overlap | None = None) -> list[RunKey]:
    """Take a job's waiting runs out of their workers' hands, so that they are read anew.

    Args:
        overlap: What those that have not begun to ring get in place of the policy they have.

    Returns:
        The runs freed, ready to be dispatched after the commit.
    """
    key = _key_of(row)
    if overlap is not None:
        await _GIVE_OVERLAP.execute(driver, **key, overlap=overlap)
    freed = await _FREE.fetch(driver, **key)
    return [(row["service_id"], run["id"]) for run in freed]


def _key_of(row: JobRow) -> dict[str, UUID]:
    return {"service_id": row["service_id"], "job_id": row["id"]}


def _fire_times(rows: Sequence[asyncpg.Record]) -> list[datetime]:
    return [row["scheduled_for"] for row in rows]


async def cancel_runs(
    driver: Driver,
    job: tuple[UUID, UUID],
    now: datetime,
    reason: str,
    *,
    backfill_id: UUID | None = None,
) -> None:
    """End a job's open runs that no worker rings at this moment.

    Args:
        job: Its `service_id` and `id`.
        backfill_id: Only runs of this backfill.
    """
    service_id, job_id = job
    await _CANCEL.execute(
        driver,
        service_id=service_id,
        job_id=job_id,
        backfill_id=backfill_id,
        now=now,
        reason=reason,
    )
