"""One job."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from domain.errors import NotFound
from storage.entries import Entry
from storage.job_entries import entry_name, loaded_job
from storage.jobs import JOB_COLUMNS
from storage.postgres import Driver
from storage.read_cache import Loaded
from storage.shards import Shards

GET = f"SELECT {JOB_COLUMNS} FROM jobs WHERE service_id = $1 AND id = $2"


class GetJob(Struct, frozen=True, kw_only=True):
    """What is asked: but for `service_id` and `now`, what the URL alone decides."""

    service_id: UUID
    job_id: UUID
    now: datetime

    @property
    def entry(self) -> str:
        """Under which the answer is cached."""
        return entry_name(self.job_id)


async def get_job(query: GetJob, shards: Shards) -> Entry:
    """The job as its service is answered.

    Raises:
        NotFound: When the service has no such job.
    """

    async def load(driver: Driver) -> Loaded:
        return await load_job(query, driver)

    shard = shards.of(query.service_id)
    entry = await shard.read_cached(query.service_id, query.entry, query.now, load)
    if not entry.body:
        raise NotFound(f"There is no job {query.job_id}.")
    return entry


async def load_job(query: GetJob, driver: Driver) -> Loaded:
    """The job as a server has it."""
    return loaded_job(await driver.fetchrow(GET, query.service_id, query.job_id), query.now)
