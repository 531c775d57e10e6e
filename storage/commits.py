"""Each service's last commit, so that it reads its own writes from replicas that lag."""

from __future__ import annotations

from functools import partial
from uuid import UUID

import structlog
from prometheus_client import Counter
from redis.asyncio import Redis
from redis.exceptions import RedisError

from storage.batches import Batches
from storage.postgres import UNREACHABLE, Database, Server

log = structlog.get_logger()
READS = Counter("tocsin_reads_total", "Reads by the server that answers them.", ["server"])
FORGOTTEN = Counter("tocsin_commits_unrecorded_total", "Commits whose position Redis did not take.")

# Positions are compared as text, hence zero-padded hexadecimal; a later one never loses.
_RAISE = """
for _, key in ipairs(KEYS) do
    local known = redis.call('GET', key)
    if not known or known < ARGV[1] then redis.call('SET', key, ARGV[1], 'EX', ARGV[2]) end
end
"""
_KEPT_SECONDS = 3_600
_CURRENT_POSITION = "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint"
_REPLAYED_POSITION = "SELECT (pg_last_wal_replay_lsn() - '0/0')::bigint"


class Commits:
    """Remembers commit positions (WAL bytes) in Redis and picks a server that has replayed them.

    Commits that end at about the same time are recorded together, with one look at the primary's
    position: any position read after a commit is late enough for it. Look-ups are batched too.
    """

    def __init__(self, database: Database, redis: Redis) -> None:
        self._database = database
        self._redis = redis
        self._raise = redis.register_script(_RAISE)
        self._recordings = Batches(self._remember)
        self._look_ups = Batches(self._look_up)
        self._replayed: dict[Server, int] = dict.fromkeys(database.replicas, 0)
        # What Redis did not take, though it may still tell an older position of the service.
        self._unrecorded: set[UUID] = set()
        for replica in database.replicas:
            replica.on_connect = partial(self._forget, replica)

    async def record(self, service_id: UUID) -> None:
        """Return when Redis knows that the service committed, or is known not to answer."""
        if not self._database.replicas:
            return
        try:
            await self._recordings.answer(service_id)
            self._unrecorded.discard(service_id)
        except (RedisError, *UNREACHABLE) as error:
            self._unrecorded.add(service_id)
            FORGOTTEN.inc()
            log.warning("commit.unrecorded", service_id=str(service_id), error=str(error))

    async def reader(self, service_id: UUID) -> Server:
        """A server on which the service sees all that it wrote: a replica, else the primary."""
        if not self._database.replicas:
            return self._primary()
        if service_id in self._unrecorded:
            await self.record(service_id)
        if service_id in self._unrecorded:
            return self._primary()
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

    def _primary(self) -> Server:
        READS.labels("primary").inc()
        return self._database.primary

    async def _position(self, service_id: UUID) -> int:
        known = await self._look_ups.answer(service_id)
        # Never written, long ago, or Redis was flushed: what is committed by now is surely enough.
        return known if known is not None else await self._recordings.answer(service_id)

    async def _look_up(self, service_ids: list[UUID]) -> dict[UUID, int | None]:
        known = await self._redis.mget([_key(service_id) for service_id in service_ids])
        positions = (None if position is None else int(position, 16) for position in known)
        return dict(zip(service_ids, positions, strict=True))

    async def _remember(self, service_ids: list[UUID]) -> dict[UUID, int]:
        async with self._database.driver() as driver:
            position: int = await driver.fetchval(_CURRENT_POSITION)
        await self._raise(
            keys=[_key(service_id) for service_id in service_ids],
            args=[f"{position:016x}", _KEPT_SECONDS],
        )
        return dict.fromkeys(service_ids, position)

    def _forget(self, replica: Server) -> None:
        # A new connection may lead to a server that was started anew, and is behind itself.
        self._replayed[replica] = 0

    async def _has_replayed(self, replica: Server, position: int) -> bool:
        # A position once replayed stays replayed, so the replica is asked only about newer ones.
        if self._replayed[replica] < position:
            async with replica.connection() as driver:
                self._replayed[replica] = await driver.fetchval(_REPLAYED_POSITION) or 0
        return self._replayed[replica] >= position


def _key(service_id: UUID) -> str:
    return f"commit:{service_id}"
