"""One job."""

from __future__ import annotations

from uuid import UUID

import msgspec

from domain.errors import NotFound
from queries.cached import CachedQuery, read_cached, selected
from storage.cache.cache_entry import CacheEntry
from storage.cache.job_cache_entry import cache_entry_name, loaded_job
from storage.cache.read_cache import Loaded
from storage.jobs.rows import JOB_COLUMNS
from storage.postgres.pools import Driver
from storage.shards import Shard, Shards

GET = f"SELECT {JOB_COLUMNS} FROM jobs WHERE service_id = $1 AND id = $2"


class GetJob(CachedQuery, frozen=True, kw_only=True):
    """Every choice of fields is cut from one entry."""

    job_id: UUID

    @property
    def entry(self) -> str:
        return cache_entry_name(self.job_id)

    async def load(self, driver: Driver, _: Shard) -> Loaded:
        return loaded_job(await driver.fetchrow(GET, self.service_id, self.job_id), self.now)

    def shown(self, entry: CacheEntry) -> CacheEntry:
        # The fields that are shown change only when the job's tag does: the tag is kept.
        if not self.fields:
            return entry
        return msgspec.structs.replace(entry, body=selected(entry.body, self.fields))


async def get_job(query: GetJob, shards: Shards) -> CacheEntry:
    """The job as its service is answered.

    Raises:
        NotFound: When the service has no such job.
    """
    entry = await read_cached(query, shards)
    if not entry.body:
        raise NotFound(f"There is no job {query.job_id}.")
    return entry
