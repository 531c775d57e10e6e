"""A service's jobs, newest first."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec import Struct
from sqlalchemy import select

from domain.caller import Caller
from domain.job import Job
from storage.jobs import job_of
from storage.shards import Shards
from storage.tables import jobs


class ListJobs(Struct, frozen=True, kw_only=True):
    """Attributes:
    before: The last job of the page before; ids sort by time.
    """

    caller: Caller
    limit: int
    before: UUID | None
    now: datetime


async def list_jobs(query: ListJobs, shards: Shards) -> list[Job]:
    """At most `limit` jobs."""
    service_id = query.caller.service_id
    statement = (
        select(jobs)
        .where(jobs.c.service_id == service_id)
        .order_by(jobs.c.id.desc())
        .limit(query.limit)
    )
    if query.before is not None:
        statement = statement.where(jobs.c.id < query.before)
    async with shards.of(service_id).reading(service_id) as connection:
        rows = await connection.execute(statement)
        return [job_of(row, query.now) for row in rows]
