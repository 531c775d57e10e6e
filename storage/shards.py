"""Shards: every service lives on exactly one primary, its replicas and its Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from sqlalchemy.ext.asyncio import AsyncEngine

from storage.commits import Commits
from storage.postgres import (
    POOL_SIZE,
    UNREACHABLE,
    Database,
    Driver,
    ReadConnection,
    WriteConnection,
    discarded_in_trouble,
    driver_of,
)
from storage.queue import RunQueue, make_broker
from storage.urls import ShardUrls, redis_database

log = structlog.get_logger()
WAKE_CHANNEL = "tocsin_due"
LOOK_AHEAD = timedelta(seconds=5)
"""How far ahead dispatchers claim what falls due."""
_REDIS_SECONDS = 0.5
_POSITIONS_DATABASE = 0


class Shard:
    """One primary, its replicas and its Redis."""

    def __init__(self, urls: ShardUrls, *, pool_size: int = POOL_SIZE) -> None:
        self.urls = urls
        self.database = Database(urls.primary, urls.replicas, pool_size=pool_size)
        self.redis: Redis = Redis.from_url(
            redis_database(urls.redis, _POSITIONS_DATABASE),
            socket_timeout=_REDIS_SECONDS,
            socket_connect_timeout=_REDIS_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        self.queue = RunQueue(make_broker(urls.redis))
        self._commits = Commits(self.database, self.redis)

    @asynccontextmanager
    async def writing(self, service_id: UUID) -> AsyncIterator[WriteConnection]:
        """One transaction of a service; afterwards the service reads at least this commit."""
        async with self.database.transaction() as connection:
            yield connection
        await self._commits.record(service_id)

    @asynccontextmanager
    async def writing_driver(self, service_id: UUID) -> AsyncIterator[Driver]:
        """The same for a single statement, without SQLAlchemy in between."""
        async with self.database.driver() as driver:
            yield driver
        await self._commits.record(service_id)

    @asynccontextmanager
    async def reading(self, service_id: UUID) -> AsyncIterator[ReadConnection]:
        """A server on which the service sees all that it wrote."""
        engine = await self._commits.reader(service_id)
        async with _connected(engine, self.database.primary_reads) as connection:
            yield connection

    @asynccontextmanager
    async def reading_driver(self, service_id: UUID) -> AsyncIterator[Driver]:
        """The same without SQLAlchemy in between."""
        async with self.reading(service_id) as connection:
            yield await driver_of(connection)

    @asynccontextmanager
    async def reading_any(self) -> AsyncIterator[ReadConnection]:
        """A server that may lag: for what has no service's commits to wait for."""
        engines = (*self.database.replicas, self.database.primary_reads)
        async with _connected(*engines) as connection:
            yield connection

    async def wake_for(self, due_at: datetime | None, now: datetime) -> None:
        """Tell dispatchers of an instant that they may have looked past already.

        Whatever is lost here, their next look finds the job within a second.
        """
        if due_at is None or due_at > now + LOOK_AHEAD:
            return
        try:
            async with self.database.driver() as driver:
                await driver.execute(f"NOTIFY {WAKE_CHANNEL}")
        except UNREACHABLE as error:
            log.warning("dispatcher.not_woken", error=str(error))

    async def close(self) -> None:
        """Close every connection."""
        await self.database.close()
        await self.redis.aclose()
        self.queue.close()


class Shards:
    """The one seam between a service and its servers. A single shard for now."""

    def __init__(self, urls: ShardUrls, *, pool_size: int = POOL_SIZE) -> None:
        self._shard = Shard(urls, pool_size=pool_size)

    def of(self, service_id: UUID) -> Shard:
        """The shard that a service lives on."""
        return self._shard

    def all(self) -> list[Shard]:
        """Every shard, for dispatchers and workers."""
        return [self._shard]

    async def close(self) -> None:
        """Close every connection."""
        await self._shard.close()


@asynccontextmanager
async def _connected(*engines: AsyncEngine) -> AsyncIterator[ReadConnection]:
    """A connection to the first of the servers that can be reached."""
    *preferred, last = engines
    for engine in preferred:
        try:
            connection = await engine.connect().start()
        except UNREACHABLE as error:
            log.warning("replica.unreachable", error=str(error))
        else:
            break
    else:
        connection = await last.connect().start()
    try:
        async with discarded_in_trouble(connection):
            yield ReadConnection(connection)
    finally:
        await connection.close()
