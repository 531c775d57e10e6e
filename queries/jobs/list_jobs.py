"""A service's jobs, by filter and order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import msgspec
from msgspec import Struct

from domain.filters.job_filter import JobFilter, JobOrder, JobSort
from domain.filters.keyset import Keyset
from queries.cached import CachedQuery, read_cached, selected
from queries.jobs.pages import JobQuery, keyset_of, page_of_jobs
from storage.cache.cache_entry import LIFE, CacheEntry, kept_until
from storage.cache.encoded_jobs import EncodedJobs, Shown
from storage.cache.read_cache import Loaded, digest
from storage.jobs.rows import encode
from storage.postgres.pools import Driver
from storage.shards import Shard, Shards

MOVING_LIFE = timedelta(seconds=1)
"""How long a list is kept that jobs enter and leave by themselves."""


class EncodedPage(Struct, frozen=True, kw_only=True):
    items: Sequence[msgspec.Raw]
    next_cursor: str | None


class ListJobs(CachedQuery, frozen=True, kw_only=True):
    """Attributes:
    after: Where the page before ended.
    cursor_of: Makes the cursor that continues behind a keyset.
    """

    chosen: JobFilter
    order: JobOrder
    limit: int
    after: Keyset | None
    cursor_of: Callable[[Keyset | None], str | None]

    @property
    def entry(self) -> str:
        asked = (self.chosen, self.order, self.fields, self.limit, self.after)
        return f"jobs:{digest(encode(asked))}"

    @property
    def costly(self) -> bool:
        # More is looked at than is shown.
        return self.chosen != JobFilter() or self.order.sort is not JobSort.CREATED

    async def load(self, driver: Driver, shard: Shard) -> Loaded:
        asked = JobQuery(
            service_id=self.service_id,
            chosen=self.chosen,
            order=self.order,
            limit=self.limit,
            after=self.after,
            now=self.now,
        )
        shown, more = await _page(asked, driver, shard.encoded_jobs)
        page = EncodedPage(
            items=[_selected(job, self.fields) for job in shown.jobs],
            next_cursor=self.cursor_of(more),
        )
        body = encode(page)
        moves = self.chosen.moves or self.order.moves
        until = kept_until(self.now, shown.changes_at, MOVING_LIFE if moves else LIFE)
        return Loaded(version=0, until=until, etag=f'"{digest(body)}"', body=body)


async def list_jobs(query: ListJobs, shards: Shards) -> CacheEntry:
    """The page as its service is answered."""
    return await read_cached(query, shards)


async def _page(
    query: JobQuery, driver: Driver, encoded_jobs: EncodedJobs
) -> tuple[Shown, Keyset | None]:
    """A page as it was at one moment, and where the next one begins."""
    while True:
        found = await page_of_jobs(query, driver)
        shown = await encoded_jobs.of(driver, query.service_id, found.rows, query.now)
        if shown is None:
            continue
        if shown.last is None:
            return shown, found.more
        last = next(row for row in found.rows if row["id"] == shown.last)
        return shown, keyset_of(last)


def _selected(item: msgspec.Raw, fields: tuple[str, ...]) -> msgspec.Raw:
    return msgspec.Raw(selected(item, fields)) if fields else item
