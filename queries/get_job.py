"""One job."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from domain.caller import Caller
from domain.errors import NotFound
from domain.job import Job
from storage.jobs import JOB_COLUMNS, job_of
from storage.shards import Shards

# The hottest of all routes: straight through the driver.
_GET = f"SELECT {JOB_COLUMNS} FROM jobs WHERE service_id = $1 AND id = $2"


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
    async with shards.of(service_id).reading(service_id) as driver:
        row = await driver.fetchrow(_GET, service_id, query.job_id)
    if row is None:
        raise NotFound(f"There is no job {query.job_id}.")
    return job_of(row, query.now)
