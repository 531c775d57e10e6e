"""Questions to Postgres: each a part of its service's share, and who is asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeVar
from uuid import UUID

import asyncpg
from prometheus_client import Counter

from storage.cache.cache_entry import ConsistencyToken
from storage.postgres.pools import UNREACHABLE, Database, Driver
from storage.postgres.replicas import Replicas
from storage.shares import Shares

READS = Counter("tocsin_reads_total", "Reads of Postgres by the server that answers.", ["server"])
COSTLY_READS = 2
"""Searches and the like that a service has under way at once, in one process."""

Answer = TypeVar("Answer")
Question = Callable[[Driver], Awaitable[Answer]]


ANYWHERE = ConsistencyToken(lsn=0)
"""What every server has replayed: for what has no service's writes to wait for."""
LATEST: ConsistencyToken | None = None
"""The primary alone: for what no server that lags may say."""


class ShardReads:
    """The primary and the replicas of a shard, as its services ask them."""

    def __init__(self, database: Database, replicas: Replicas, pool_size: int) -> None:
        self._database = database
        self._replicas = replicas
        self._shares = Shares.of_a_pool(pool_size, "reads")
        self._costly = Shares(COSTLY_READS, "costly_reads")

    def costly(self, service_id: UUID) -> AbstractAsyncContextManager[None]:
        """One of the few costly reads that a service has under way at once.

        Raises:
            ShareUsedUp: When it has as many, and none ends in time.
        """
        return self._costly.of(service_id)

    async def read_as(
        self,
        service_id: UUID,
        token: ConsistencyToken | None,
        question: Question[Answer],
        costly: bool,
    ) -> Answer:
        """The same as `read`, as a part of the service's share."""
        if not costly:
            async with self._shares.of(service_id):
                return await self.read(token, question)
        async with self._costly.of(service_id), self._shares.of(service_id):
            return await self.read(token, question)

    async def read(self, token: ConsistencyToken | None, question: Question[Answer]) -> Answer:
        """The answer of a replica, or of the primary where that fails or none has come so far.

        A question that takes too long at a healthy replica would take as long at the primary.

        Args:
            token: Up to where the server must have replayed, such as ANYWHERE or LATEST.
        """
        replica = None if token is None else await self._replicas.having_replayed(token.lsn)
        if replica is not None:
            try:
                async with replica.server.connection() as driver:
                    answer = await question(driver)
            except asyncpg.SerializationError:
                pass  # what it replays got in the way
            except asyncpg.QueryCanceledError:
                raise
            except (*UNREACHABLE, asyncpg.InternalServerError) as error:  # damaged pages, too
                if await self._replicas.answers(replica) and isinstance(error, TimeoutError):
                    raise
            else:
                READS.labels("replica").inc()
                return answer
        READS.labels("primary").inc()
        async with self._database.reading() as driver:
            return await question(driver)
