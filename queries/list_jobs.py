"""A service's jobs, newest first."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

import msgspec
from msgspec import Struct

from domain.caller import Caller
from storage.entries import Entry, kept_until
from storage.job_entries import encoded_jobs
from storage.jobs import JOB_COLUMNS, encode
from storage.postgres import Driver
from storage.read_cache import Loaded, digest
from storage.shards import Shards

LAST_ID = UUID(int=(1 << 128) - 1)

_LIST = f"""
SELECT {JOB_COLUMNS} FROM jobs WHERE service_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3
"""


class ListJobs(Struct, frozen=True, kw_only=True):
    """Attributes:
    before: The last job of the page before; ids sort by time.
    cursor_of: Makes the cursor that continues after a job.
    """

    caller: Caller
    limit: int
    before: UUID | None
    now: datetime
    cursor_of: Callable[[UUID], str]

    @property
    def entry(self) -> str:
        """Under which the answer is cached."""
        return f"jobs:{self.limit}:{(self.before or LAST_ID).hex}"


class EncodedPage(Struct, frozen=True, kw_only=True):
    items: list[msgspec.Raw]
    next_cursor: str | None


async def list_jobs(query: ListJobs, shards: Shards) -> Entry:
    """The page as its service is answered."""
    service_id = query.caller.service_id
    before = query.before or LAST_ID

    async def load(driver: Driver) -> Loaded:
        rows = await driver.fetch(_LIST, service_id, before, query.limit + 1)
        shown = rows[: query.limit]
        items, changes_at = encoded_jobs(shown, query.now)
        more = len(rows) > query.limit
        body = encode(
            EncodedPage(items=items, next_cursor=query.cursor_of(shown[-1]["id"]) if more else None)
        )
        return Loaded(
            version=0, until=kept_until(query.now, changes_at), etag=f'"{digest(body)}"', body=body
        )

    return await shards.of(service_id).read_cached(service_id, query.entry, query.now, load)
