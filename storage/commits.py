"""Each service's last commit, so that it reads its own writes from replicas that lag."""

from __future__ import annotations

from uuid import UUID

import structlog
from prometheus_client import Counter
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from storage.postgres import UNREACHABLE, Database

log = structlog.get_logger()
READS = Counter("tocsin_reads_total", "Reads by the server that answers them.", ["server"])
FORGOTTEN = Counter("tocsin_commits_unrecorded_total", "Commits whose position Redis did not take.")

# Positions are compared as text, hence zero-padded hexadecimal; a later one never loses.
_RAISE = """
local known = redis.call('GET', KEYS[1])
if not known or known < ARGV[1] then redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2]) end
"""
_KEPT_SECONDS = 3_600
CURRENT_POSITION = "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint"
_REPLAYED_POSITION = text("SELECT (pg_last_wal_replay_lsn() - '0/0')::bigint")


class Commits:
    """Remembers commit positions (WAL bytes) in Redis and picks a server that has replayed them."""

    def __init__(self, database: Database, redis: Redis) -> None:
        self._database = database
        self._redis = redis
        self._raise = redis.register_script(_RAISE)
        self._replayed: dict[AsyncEngine, int] = dict.fromkeys(database.replicas, 0)

    async def record(self, service_id: UUID, position: int) -> None:
        """Remember that a commit of the service ended at `position`."""
        try:
            await self._remember(service_id, position)
        except RedisError as error:
            FORGOTTEN.inc()
            log.warning("commit.unrecorded", service_id=str(service_id), error=str(error))

    async def reader(self, service_id: UUID) -> AsyncEngine:
        """A server on which the service sees all that it wrote: a replica, else the primary."""
        try:
            position = await self._position(service_id)
        except RedisError as error:
            log.warning("commit.unknown", service_id=str(service_id), error=str(error))
            return self._primary()
        for replica in self._database.replicas:
            try:
                if await self._has_replayed(replica, position):
                    READS.labels("replica").inc()
                    return replica
            except UNREACHABLE as error:
                log.warning("replica.unreachable", error=str(error))
        return self._primary()

    def _primary(self) -> AsyncEngine:
        READS.labels("primary").inc()
        return self._database.primary

    async def _position(self, service_id: UUID) -> int:
        known = await self._redis.get(_key(service_id))
        if known is not None:
            return int(known, 16)
        # Never written, long ago, or Redis was flushed: whatever is committed by now is surely enough.
        async with self._database.driver() as driver:
            position: int = await driver.fetchval(CURRENT_POSITION)
        await self._remember(service_id, position)
        return position

    async def _remember(self, service_id: UUID, position: int) -> None:
        await self._raise(keys=[_key(service_id)], args=[f"{position:016x}", _KEPT_SECONDS])

    async def _has_replayed(self, replica: AsyncEngine, position: int) -> bool:
        # A position once replayed stays replayed, so the replica is asked only about newer ones.
        if self._replayed[replica] < position:
            async with replica.connect() as connection:
                self._replayed[replica] = await connection.scalar(_REPLAYED_POSITION) or 0
        return self._replayed[replica] >= position


def _key(service_id: UUID) -> str:
    return f"commit:{service_id}"
