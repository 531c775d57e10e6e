"""One job."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec import Struct
from sqlalchemy import select

from domain.caller import Caller
from domain.errors import NotFound
from domain.job import Job
from storage.jobs import job_of
from storage.shards import Shards
from storage.tables import jobs


class GetJob(Struct, frozen=True, kw_only=True):
    caller: Caller
    job_id: UUID
    now: datetime


async def get_job(query: GetJob, shards: Shards) -> Job:
    """The job as its service sees it.

    Raises:
        NotFound: When the service has no such job.
    """
    service_id = query.caller.service_id
    statement = select(jobs).where(jobs.c.service_id == service_id, jobs.c.id == query.job_id)
    async with shards.of(service_id).reading(service_id) as connection:
        row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise NotFound(f"There is no job {query.job_id}.")
    return job_of(row, query.now)
