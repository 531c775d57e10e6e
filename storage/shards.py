"""Shards: every service lives on exactly one primary, its replicas and its Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from storage.commits import Commits
from storage.postgres import POOL_SIZE, UNREACHABLE, Database, Driver, Server
from storage.queue import RunQueue, make_broker
from storage.urls import ShardUrls, redis_database

if TYPE_CHECKING:
    from storage.transactions import WriteConnection

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
    async def reading(self, service_id: UUID) -> AsyncIterator[Driver]:
        """A server on which the service sees all that it wrote."""
        server = await self._commits.reader(service_id)
        async with _connected(server, self.database.primary) as driver:
            yield driver

    @asynccontextmanager
    async def reading_any(self) -> AsyncIterator[Driver]:
        """A server that may lag: for what has no service's commits to wait for."""
        async with _connected(*self.database.replicas, self.database.primary) as driver:
            yield driver

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
async def _connected(*servers: Server) -> AsyncIterator[Driver]:
    """A connection to the first of the servers that can be reached."""
    async with AsyncExitStack() as stack:
        yield await _first_connection(servers, stack)


async def _first_connection(servers: tuple[Server, ...], stack: AsyncExitStack) -> Driver:
    *preferred, last = servers
    for server in preferred:
        try:
            return await stack.enter_async_context(server.connection())
        except UNREACHABLE as error:
            log.warning("replica.unreachable", error=str(error))
    return await stack.enter_async_context(last.connection())
