"""Answers that need no Postgres, and never one that is older than what the service wrote."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime
from functools import partial
from hashlib import blake2b
from typing import Any
from uuid import UUID

from cachetools import LRUCache
from msgspec import Struct
from prometheus_client import Counter

from storage.cache.cache_entry import CacheEntry, ConsistencyToken
from storage.cache.consistency_tokens import ConsistencyTokens
from storage.cache.shared_cache import Fill, SharedCache
from storage.postgres.pools import Driver
from storage.redis.connection import RedisAway

READS = Counter("tocsin_cached_reads_total", "Reads through the cache, by who answered.", ["layer"])
_READS = {layer: READS.labels(layer) for layer in ("memory", "redis", "postgres", "primary")}
LOCAL_BYTES = 64 * 1024 * 1024
LISTED = 10_000
"""How many names of entries are remembered that were loaded lately."""
_OVERHEAD_BYTES = 500
_NOWHERE = ConsistencyToken(lsn=0)


class Loaded(Struct, frozen=True, kw_only=True):
    """What a query read; see CacheEntry."""

    version: int
    until: datetime
    etag: str
    body: bytes


Load = Callable[[Driver], Awaitable[Loaded]]
ReadAs = Callable[[UUID, ConsistencyToken | None, Load, bool], Awaitable[Loaded]]
"""Reads for a service from a server that has replayed a token, or from the primary; it is told
whether that is costly."""


class _Kept(Struct, frozen=True):
    """An entry in this process: surely right as long as the service has not committed again."""

    entry: CacheEntry
    token: ConsistencyToken


class ReadCache:
    """The layers before Postgres: this process's memory, then Redis.

    Each read asks Redis how far the service has come (together with other reads at that moment),
    also when memory holds the answer: so memory can never be stale, whatever it was not told.

    A list goes to Redis when it is loaded for the second time: pages that somebody walks through
    would fill it for nobody.

    Args:
        read_as: How to read from Postgres.
    """

    def __init__(
        self, consistency_tokens: ConsistencyTokens, shared: SharedCache, read_as: ReadAs
    ) -> None:
        self._consistency_tokens = consistency_tokens
        self._shared = shared
        self._read_as = read_as
        self._kept: LRUCache[tuple[UUID, str], _Kept] = LRUCache(LOCAL_BYTES, _size)
        self._listed: LRUCache[tuple[UUID, str], None] = LRUCache(LISTED)
        self._flights: dict[tuple[UUID, str, str], asyncio.Task[CacheEntry]] = {}
        self._fills: set[asyncio.Task[None]] = set()

    async def read(
        self, service_id: UUID, name: str, now: datetime, load: Load, *, costly: bool
    ) -> CacheEntry:
        """The entry under a name, loaded where no layer has it.

        Args:
            name: The same for the same answer, within a service.
            load: How Postgres is asked; it may be asked twice when a server fails.
            costly: Whether that may take long.
        """
        looked, entry = await self._look(service_id, name, now)
        if entry is not None:
            return entry
        if looked is None:
            loaded = await self._read_as(service_id, None, load, costly)
            return _answered("primary", _entry(loaded, _NOWHERE))
        loading = partial(self._load, (service_id, name), looked, now, load, costly)
        return _answered("postgres", await self._load_once((service_id, name), looked, loading))

    async def _look(
        self, service_id: UUID, name: str, now: datetime
    ) -> tuple[ConsistencyToken | None, CacheEntry | None]:
        """How far the service has come, if Redis tells, and the entry, if a layer has it."""
        key = (service_id, name)
        kept = self._kept.get(key)
        looked = await self._consistency_tokens.look(service_id, None if kept else name)
        if kept and looked and kept.token == looked.token and now < kept.entry.until:
            return looked.token, _answered("memory", kept.entry)
        if kept and looked:
            looked = await self._consistency_tokens.look(service_id, name)
        if looked is None or looked.token is None:
            return None, None
        entry = looked.entry
        if entry is None or not entry.holds(looked.token, now):
            return looked.token, None
        self._keep(key, entry, looked.token)
        return looked.token, _answered("redis", entry)

    async def _load_once(
        self,
        key: tuple[UUID, str],
        token: ConsistencyToken,
        loading: Callable[[], Coroutine[Any, Any, CacheEntry]],
    ) -> CacheEntry:
        flight = (*key, token.encode())
        task = self._flights.get(flight)
        if task is None:
            task = asyncio.create_task(loading())
            self._flights[flight] = task
            task.add_done_callback(lambda _: self._flights.pop(flight))
        # Whoever gives up does not take the answer from the others.
        return await asyncio.shield(task)

    async def _load(
        self,
        key: tuple[UUID, str],
        token: ConsistencyToken,
        now: datetime,
        load: Load,
        costly: bool,
    ) -> CacheEntry:
        entry = _entry(await self._read_as(key[0], token, load, costly), token)
        if entry.until > now:
            self._keep(key, entry, token)
            if entry.version or key in self._listed:
                self._share(key, entry)
            self._listed[key] = None
        return entry

    def _share(self, key: tuple[UUID, str], entry: CacheEntry) -> None:
        service_id, name = key
        filling = asyncio.create_task(
            self._fill(Fill(service_id=service_id, name=name, entry=entry))
        )
        self._fills.add(filling)
        filling.add_done_callback(self._fills.discard)

    async def _fill(self, fill: Fill) -> None:
        try:
            await self._shared.fill(fill)
        except RedisAway:
            return

    def _keep(self, key: tuple[UUID, str], entry: CacheEntry, token: ConsistencyToken) -> None:
        kept = _Kept(entry, token)
        if _size(kept) <= LOCAL_BYTES:
            self._kept[key] = kept


def digest(data: bytes) -> str:
    """A short hash, for entity tags and names."""
    return blake2b(data, digest_size=12).hexdigest()


def _entry(loaded: Loaded, token: ConsistencyToken) -> CacheEntry:
    return CacheEntry(
        version=loaded.version,
        token=token,
        until=loaded.until,
        etag=loaded.etag,
        body=loaded.body,
    )


def _answered(layer: str, entry: CacheEntry) -> CacheEntry:
    _READS[layer].inc()
    return entry


def _size(kept: _Kept) -> int:
    return len(kept.entry.body) + _OVERHEAD_BYTES
