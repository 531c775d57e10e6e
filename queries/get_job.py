"""One job."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec
from msgspec import Struct

from domain.errors import NotFound
from queries.shown_fields import selected
from storage.entries import Entry
from storage.job_entries import entry_name, loaded_job
from storage.jobs import JOB_COLUMNS
from storage.postgres import Driver
from storage.read_cache import Loaded
from storage.shards import Shards

GET = f"SELECT {JOB_COLUMNS} FROM jobs WHERE service_id = $1 AND id = $2"


class GetJob(Struct, frozen=True, kw_only=True):
    """What is asked: but for `service_id` and `now`, what the URL alone decides.

    Attributes:
        fields: What is shown of the job; all if there are none. Every choice is cut from one entry.
    """

    service_id: UUID
    job_id: UUID
    fields: tuple[str, ...] = ()
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
    return shown(entry, query.fields)


def shown(entry: Entry, fields: tuple[str, ...]) -> Entry:
    """The entry with some fields only; as long as its tag stays, so do these."""
    if not fields:
        return entry
    return msgspec.structs.replace(entry, body=selected(entry.body, fields))


async def load_job(query: GetJob, driver: Driver) -> Loaded:
    """The job as a server has it."""
    return loaded_job(await driver.fetchrow(GET, query.service_id, query.job_id), query.now)
