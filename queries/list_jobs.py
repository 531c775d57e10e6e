"""A service's jobs, newest first."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from domain.caller import Caller
from domain.job import Job
from storage.jobs import JOB_COLUMNS, job_of
from storage.shards import Shards

LAST_ID = UUID(int=(1 << 128) - 1)

_LIST = f"""
SELECT {JOB_COLUMNS} FROM jobs WHERE service_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3
"""


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
    async with shards.of(service_id).reading(service_id) as driver:
        rows = await driver.fetch(_LIST, service_id, query.before or LAST_ID, query.limit)
    return [job_of(row, query.now) for row in rows]
