"""Queries whose answers are cached: each states its SQL, its cache entry and its life."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec
from msgspec import Struct

from storage.cache.cache_entry import CacheEntry
from storage.cache.read_cache import Loaded
from storage.jobs.rows import encode
from storage.postgres.pools import Driver
from storage.shards import Shard, Shards


class CachedQuery(Struct, frozen=True, kw_only=True):
    """What is asked. All but `service_id` and `now` follows from the URL alone.

    Attributes:
        fields: What is shown; all if there are none.
    """

    service_id: UUID
    fields: tuple[str, ...] = ()
    now: datetime

    @property
    def entry(self) -> str:
        """The name under which the answer is cached."""
        raise NotImplementedError

    @property
    def costly(self) -> bool:
        """Whether it may take long to load."""
        return False

    async def load(self, driver: Driver, shard: Shard) -> Loaded:
        """The answer as Postgres has it, and until when it is right."""
        raise NotImplementedError

    def shown(self, entry: CacheEntry) -> CacheEntry:
        """What is shown of what is cached."""
        return entry


async def read_cached(query: CachedQuery, shards: Shards) -> CacheEntry:
    """The answer, from the cache if that has it."""
    shard = shards.of(query.service_id)

    async def load(driver: Driver) -> Loaded:
        return await query.load(driver, shard)

    entry = await shard.read_cached(
        query.service_id, query.entry, query.now, load, costly=query.costly
    )
    return query.shown(entry) if entry.body else entry


_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def selected(encoded: bytes | msgspec.Raw, fields: tuple[str, ...]) -> bytes:
    """Those fields of an encoded object, in that order."""
    values = _decode(encoded)
    return encode({field: values[field] for field in fields})
