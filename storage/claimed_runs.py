"""A job's runs that were claimed of it and have not begun to ring."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, all_, case, delete, literal, select, update
from sqlalchemy.dialects.postgresql import ARRAY

from domain.run import RunState, Trigger
from storage.calendar_changes import JobRow
from storage.columns import INSTANT
from storage.queue import RunKey
from storage.sql import statement
from storage.tables import runs
from storage.transactions import WriteConnection, driver_of

# What a claim-ahead wrote and no worker has rung yet.
_NOT_BEGUN = (
    runs.c.open,
    runs.c.state.in_([RunState.SCHEDULED, RunState.QUEUED]),
    runs.c.attempt_count == 0,
    runs.c.trigger == Trigger.SCHEDULE,
)
_FREED = case((runs.c.attempt_count == 0, RunState.SCHEDULED), else_=RunState.RETRYING)

_CANCEL = statement("cancel/of_job")


async def late_runs(connection: WriteConnection, row: JobRow, now: datetime) -> list[datetime]:
    """The fire times up to now of a locked job's runs that have not begun."""
    found = await connection.execute(
        select(runs.c.scheduled_for).where(
            runs.c.service_id == row["service_id"],
            runs.c.job_id == row["id"],
            runs.c.scheduled_for <= now,
            *_NOT_BEGUN,
        )
    )
    return list(found.scalars())


async def withdraw(
    connection: WriteConnection, row: JobRow, which: Any, keeping: Sequence[datetime] = ()
) -> list[datetime]:
    """Delete those of a locked job's runs that have not begun.

    Args:
        which: A condition on them.
        keeping: Fire times whose runs stay.

    Returns:
        Their fire times.
    """
    # As one parameter: a statement may have 32,767 of them.
    others = runs.c.scheduled_for != all_(literal(list(keeping), ARRAY(INSTANT)))
    result = await connection.execute(
        delete(runs)
        .where(
            runs.c.service_id == row["service_id"],
            runs.c.job_id == row["id"],
            which,
            others,
            *_NOT_BEGUN,
        )
        .returning(runs.c.scheduled_for)
    )
    return list(result.scalars())


async def free_runs(connection: WriteConnection, row: RowMapping, **changes: Any) -> list[RunKey]:
    """Take a job's waiting runs out of their workers' hands, so that they are read anew.

    Args:
        changes: To those that have not begun to ring.

    Returns:
        The runs freed, ready to be handed over after the commit.
    """
    mine = (runs.c.service_id == row["service_id"], runs.c.job_id == row["id"])
    if changes:
        await connection.execute(update(runs).where(*mine, *_NOT_BEGUN).values(**changes))
    freed = await connection.execute(
        update(runs)
        .where(*mine, runs.c.open, runs.c.state == RunState.QUEUED)
        .values(state=_FREED, held_by=None)
        .returning(runs.c.service_id, runs.c.id)
    )
    return [(service_id, run_id) for service_id, run_id in freed]


async def cancel_runs(
    connection: WriteConnection,
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
    driver = await driver_of(connection)
    service_id, job_id = job
    await _CANCEL.execute(
        driver,
        service_id=service_id,
        job_id=job_id,
        backfill_id=backfill_id,
        now=now,
        reason=reason,
    )
