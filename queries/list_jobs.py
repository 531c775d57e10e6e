"""A service's jobs, by filter and order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from msgspec import Struct

from domain.job_filter import JobFilter, JobOrder, JobSort
from domain.place import Place
from queries.job_pages import JobQuery, page_of_jobs, place_of
from queries.shown_fields import selected
from storage.encoded_jobs import EncodedJobs, Shown
from storage.entries import LIFE, Entry, kept_until
from storage.jobs import encode
from storage.postgres import Driver
from storage.read_cache import Loaded, digest
from storage.shards import Shard, Shards

MOVING_LIFE = timedelta(seconds=1)
"""How long a list is kept that jobs enter and leave by themselves."""


class ListJobs(Struct, frozen=True, kw_only=True):
    """What is asked: but for `service_id` and `now`, what the URL alone decides.

    Attributes:
        fields: What is shown of each job; all if there are none.
        after: Where the page before ended.
        cursor_of: Makes the cursor that continues behind a place.
    """

    service_id: UUID
    chosen: JobFilter
    order: JobOrder
    fields: tuple[str, ...]
    limit: int
    after: Place | None
    now: datetime
    cursor_of: Callable[[Place | None], str | None]

    @property
    def costly(self) -> bool:
        """Whether more is looked at than is shown."""
        return self.chosen != JobFilter() or self.order.sort is not JobSort.CREATED

    @property
    def entry(self) -> str:
        """Under which the answer is cached."""
        asked = (self.chosen, self.order, self.fields, self.limit, self.after)
        return f"jobs:{digest(encode(asked))}"


class EncodedPage(Struct, frozen=True, kw_only=True):
    items: Sequence[msgspec.Raw]
    next_cursor: str | None


async def list_jobs(query: ListJobs, shards: Shards) -> Entry:
    """The page as its service is answered."""
    shard = shards.of(query.service_id)

    async def load(driver: Driver) -> Loaded:
        return await load_jobs(query, shard, driver)

    return await shard.read_cached(
        query.service_id, query.entry, query.now, load, costly=query.costly
    )


async def load_jobs(query: ListJobs, shard: Shard, driver: Driver) -> Loaded:
    """The page as a server has it."""
    asked = JobQuery(
        service_id=query.service_id,
        chosen=query.chosen,
        order=query.order,
        limit=query.limit,
        after=query.after,
        now=query.now,
    )
    shown, more = await _page(asked, driver, shard.encoded_jobs)
    body = encode(
        EncodedPage(
            items=[_selected(job, query.fields) for job in shown.jobs],
            next_cursor=query.cursor_of(more),
        )
    )
    moves = query.chosen.moves or query.order.moves
    until = kept_until(query.now, shown.changes_at, MOVING_LIFE if moves else LIFE)
    return Loaded(version=0, until=until, etag=f'"{digest(body)}"', body=body)


async def _page(
    query: JobQuery, driver: Driver, encoded_jobs: EncodedJobs
) -> tuple[Shown, Place | None]:
    """A page as it was at one moment, and where the next one begins."""
    while True:
        found = await page_of_jobs(query, driver)
        shown = await encoded_jobs.of(driver, query.service_id, found.rows, query.now)
        if shown is None:
            continue
        if shown.last is None:
            return shown, found.more
        last = next(row for row in found.rows if row["id"] == shown.last)
        return shown, place_of(last)


def _selected(item: msgspec.Raw, fields: tuple[str, ...]) -> msgspec.Raw:
    return msgspec.Raw(selected(item, fields)) if fields else item
