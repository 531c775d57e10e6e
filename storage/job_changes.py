"""What commands do to a locked job, and to the runs that were claimed of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, case, delete, func, select, update

from domain.errors import NotFound
from domain.job import Job
from domain.run import RunState, Trigger
from storage.jobs import job_of
from storage.tables import jobs, runs
from storage.transactions import WriteConnection

# What a claim-ahead wrote and no worker has rung yet.
_CLAIMED_AHEAD = (
    runs.c.open,
    runs.c.state.in_([RunState.SCHEDULED, RunState.QUEUED]),
    runs.c.attempt_count == 0,
    runs.c.trigger == Trigger.SCHEDULE,
)
_FREED = case((runs.c.attempt_count == 0, RunState.SCHEDULED), else_=RunState.RETRYING)


async def lock_job(connection: WriteConnection, service_id: UUID, job_id: UUID) -> RowMapping:
    """The job's row, locked against claims and other commands until the transaction ends.

    Raises:
        NotFound: When the service has no such job.
    """
    result = await connection.execute(
        select(jobs).where(jobs.c.service_id == service_id, jobs.c.id == job_id).with_for_update()
    )
    if (row := result.mappings().one_or_none()) is None:
        raise NotFound(f"There is no job {job_id}.")
    return row


async def change_job(
    connection: WriteConnection, row: RowMapping, now: datetime, **changes: Any
) -> Job:
    """Write changes to a locked job, as its next version."""
    result = await connection.execute(
        update(jobs)
        .where(jobs.c.service_id == row["service_id"], jobs.c.id == row["id"])
        .values(version=row["version"] + 1, updated_at=now, **changes)
        .returning(jobs)
    )
    return job_of(result.mappings().one(), now)


async def withdraw_runs(
    connection: WriteConnection, service_id: UUID, job_id: UUID
) -> datetime | None:
    """Undo the claim-ahead of a locked job: the inverse of a dispatcher's claim.

    Runs that a worker already rings are left alone. A worker that holds a withdrawn run finds
    nothing to start at its due instant.

    Returns:
        The earliest fire time that was withdrawn.
    """
    withdrawn = (
        delete(runs)
        .where(runs.c.service_id == service_id, runs.c.job_id == job_id, *_CLAIMED_AHEAD)
        .returning(runs.c.scheduled_for)
        .cte("withdrawn")
    )
    earliest: datetime | None = await connection.scalar(select(func.min(withdrawn.c.scheduled_for)))
    return earliest


async def free_runs(connection: WriteConnection, service_id: UUID, job_id: UUID) -> None:
    """Take a job's waiting runs out of their workers' hands, so that they are read anew."""
    await connection.execute(
        update(runs)
        .where(
            runs.c.service_id == service_id,
            runs.c.job_id == job_id,
            runs.c.open,
            runs.c.state == RunState.QUEUED,
        )
        .values(state=_FREED, held_by=None)
    )


async def cancel_runs(
    connection: WriteConnection, service_id: UUID, job_id: UUID, now: datetime
) -> None:
    """End a job's open runs that no worker rings at this moment."""
    await connection.execute(
        update(runs)
        .where(
            runs.c.service_id == service_id,
            runs.c.job_id == job_id,
            runs.c.open,
            runs.c.state != RunState.RUNNING,
        )
        .values(state=RunState.CANCELLED, open=False, held_by=None, retry_at=None, finished_at=now)
    )
