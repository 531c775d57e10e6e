"""Connections to the Redis that a URL names, or that its Sentinels name at the moment.

With Sentinels, whoever connects asks them first. So a connection that is lost, or whose Redis
became a replica (redis-py ends such a one), is made again to the primary of that moment.
"""

from __future__ import annotations

from typing import Any

import redis.asyncio as aioredis
from redis import Redis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.asyncio.sentinel import MasterNotFoundError as AsyncMasterNotFoundError
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.asyncio.sentinel import SentinelConnectionPool as AsyncSentinelPool
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError, Sentinel, SentinelConnectionPool

from storage.urls import Sentinels, parse_sentinels

_UNKNOWN = "No Sentinel knows a primary of {}."


def redis_pool(url: str, seconds: float) -> aioredis.ConnectionPool:
    """Makes connections for an event loop.

    Args:
        seconds: How long connecting may take at most. How long an answer may, whoever asks bounds:
            redis-py would do so with a task for each command.
    """
    bounds = _bounds(seconds, AsyncRetry(NoBackoff(), 0))
    options = bounds | {"socket_timeout": None}
    sentinels = parse_sentinels(url)
    if sentinels is None:
        return aioredis.ConnectionPool.from_url(url, **options)
    asked = _AsyncAsked(
        sentinels.addresses,
        sentinel_kwargs=bounds | sentinels.sentinel_login | _share(seconds, sentinels),
    )  # type: ignore[no-untyped-call]
    return AsyncSentinelPool(  # type: ignore[no-untyped-call]
        sentinels.service, asked, db=sentinels.database, **options, **sentinels.login
    )


def redis_client(url: str, seconds: float) -> Redis:
    """A client for threads, which tries nothing twice.

    Args:
        seconds: How long connecting, and an answer, may take at most.
    """
    options = _bounds(seconds, Retry(NoBackoff(), 0))
    sentinels = parse_sentinels(url)
    if sentinels is None:
        return Redis.from_url(url, **options)
    asked = _Asked(
        sentinels.addresses,
        sentinel_kwargs=options | sentinels.sentinel_login | _share(seconds, sentinels),
    )  # type: ignore[no-untyped-call]
    pool = SentinelConnectionPool(  # type: ignore[no-untyped-call]
        sentinels.service, asked, db=sentinels.database, **options, **sentinels.login
    )
    return Redis.from_pool(pool)


class _Asked(Sentinel):
    """Sentinels, of whose silence the log says little."""

    def discover_master(self, service_name: str) -> Any:
        try:
            return super().discover_master(service_name)  # type: ignore[no-untyped-call]
        except MasterNotFoundError:
            raise MasterNotFoundError(_UNKNOWN.format(service_name)) from None


class _AsyncAsked(AsyncSentinel):
    """The same for an event loop. No connection is kept: they are asked rarely."""

    async def discover_master(self, service_name: str) -> Any:
        try:
            return await super().discover_master(service_name)
        except AsyncMasterNotFoundError:
            raise AsyncMasterNotFoundError(_UNKNOWN.format(service_name)) from None
        finally:
            await self.aclose()


def _bounds(seconds: float, retry: Retry | AsyncRetry) -> dict[str, Any]:
    return {"socket_timeout": seconds, "socket_connect_timeout": seconds, "retry": retry}


def _share(seconds: float, sentinels: Sentinels) -> dict[str, float]:
    """Of the time, so that after Sentinels that do not answer the Redis itself is still asked."""
    share = seconds / (len(sentinels.addresses) + 1)
    return {"socket_timeout": share, "socket_connect_timeout": share}
