"""Shards: every service lives on exactly one primary, its replicas and its Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

import structlog

from storage.cache.authorization_cache import AuthorizationCache
from storage.cache.authorization_cache import Load as AuthorizationLoad
from storage.cache.cache_entry import CacheEntry
from storage.cache.consistency_tokens import ConsistencyTokens
from storage.cache.encoded_jobs import EncodedJobs
from storage.cache.read_cache import Load, ReadCache
from storage.cache.shared_cache import CacheChanges, Commit, SharedCache
from storage.crypto.encryption_keys import NO_KEYS, EncryptionKeys
from storage.error_kinds import kind_of
from storage.jobs.inserts import JobInserts
from storage.jobs.reckoning import Reckoning
from storage.postgres.pools import POOL_SIZE, UNREACHABLE, Database, Driver
from storage.postgres.replicas import Replica, Replicas
from storage.postgres.routed_reads import Question, ShardReads
from storage.queue.broker import RunQueue, make_broker
from storage.redis.connection import RedisLink
from storage.redis.kept_answers import KeptAnswers
from storage.redis.memory import CacheRoom
from storage.redis.rate_limits import RateLimits
from storage.schema.migrate import until_migrated
from storage.shares import Shares
from storage.urls import ShardUrls, redis_database

log = structlog.get_logger()
WAKE_CHANNEL = "tocsin_due"
LOOK_AHEAD = timedelta(seconds=5)
"""How far ahead dispatchers claim what falls due."""
_CACHE_DATABASE = 0

Answer = TypeVar("Answer")


class Shard:
    """One primary, its replicas and its Redis.

    Attributes:
        keys: What services' secrets are encrypted with.
        writes: Each service's share of what writes at once.
    """

    def __init__(
        self,
        urls: ShardUrls,
        *,
        pool_size: int = POOL_SIZE,
        lock_seconds: float | None = None,
        keys: EncryptionKeys = NO_KEYS,
    ) -> None:
        self.urls = urls
        self.keys = keys
        self.database = Database(
            urls.primary, pool_size=pool_size, pooler_url=urls.pooler, lock_seconds=lock_seconds
        )
        self.writes = Shares.of_a_pool(pool_size, "writes")
        self.replicas = Replicas(
            [Replica(url, number, pool_size) for number, url in enumerate(urls.replicas, start=1)]
        )
        self.reads = ShardReads(self.database, self.replicas, pool_size)
        self.redis = RedisLink(redis_database(urls.redis, _CACHE_DATABASE))
        self.queue = RunQueue(make_broker(urls.redis))
        # What one service reads of the cache must not keep all requests from being counted.
        self._counting_redis = RedisLink(redis_database(urls.redis, _CACHE_DATABASE))
        self.rate_limits = RateLimits(self._counting_redis)
        self.kept_answers = KeptAnswers(self._counting_redis)
        # Nor may what workers tell of its many targets keep others from the cache.
        self.targets_redis = RedisLink(redis_database(urls.redis, _CACHE_DATABASE))
        self.reckoning = Reckoning()
        self._cache_room = CacheRoom(self.redis)
        shared = SharedCache(self.redis, self._cache_room)
        self._consistency_tokens = ConsistencyTokens(self.database, shared)
        self.encoded_jobs = EncodedJobs()
        self.job_inserts = JobInserts(
            self.database, self._consistency_tokens, self.encoded_jobs, self.writes
        )
        self._cache = ReadCache(self._consistency_tokens, shared, self.reads.read_as)
        self._authorization = AuthorizationCache(self._consistency_tokens, self.reads.read)

    @asynccontextmanager
    async def writing(
        self, service_id: UUID, cached: CacheChanges | None = None, *, each_commits: bool = False
    ) -> AsyncIterator[Driver]:
        """One transaction of a service; afterwards the service reads at least this commit.

        Commands write by a UnitOfWork, which does the rest of what goes with a commit.

        Args:
            cached: What the block makes of what is cached; all of the service becomes void if that
                is not said.
            each_commits: Whether each statement commits by itself, for a block with one write.

        Raises:
            ShareUsedUp: Before the block, when the service has written all that it may at once.
        """
        cached = cached or CacheChanges()
        lsn = self._consistency_tokens.lsn
        opened = self.database.driver() if each_commits else self.database.transaction()
        async with self.writes.of(service_id), opened as driver:
            yield driver
        await self._consistency_tokens.record(
            Commit(
                service_id=service_id,
                entries=tuple(cached.entries),
                invalidates=cached.invalidates,
                after=lsn,
            )
        )

    async def read(
        self, service_id: UUID, question: Question[Answer], *, costly: bool = False
    ) -> Answer:
        """The answer of a server on which the service sees all that it wrote.

        Args:
            question: It may be asked twice, when a server fails.
            costly: Whether it may take long, so that few of the service's are asked at once.

        Raises:
            ShareUsedUp: When the service reads as much as it may at once.
        """
        looked = await self._consistency_tokens.look(service_id)
        token = looked.token if looked else None
        return await self.reads.read_as(service_id, token, question, costly)

    async def read_cached(
        self, service_id: UUID, name: str, now: datetime, load: Load, *, costly: bool = False
    ) -> CacheEntry:
        """The same where the answer may be cached; see ReadCache."""
        return await self._cache.read(service_id, name, now, load, costly=costly)

    async def read_authorization(
        self, service_id: UUID, name: str, now: datetime, load: AuthorizationLoad[Answer]
    ) -> Answer:
        """The same for what only invalidating commands change; see AuthorizationCache."""
        return await self._authorization.read(service_id, name, now, load)

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
            log.warning("dispatcher.not_woken", error=kind_of(error))

    async def warm_up(self, writes: Sequence[str], reads: Sequence[str]) -> None:
        """Have the servers plan statements before anybody waits for them (see Server)."""
        await until_migrated(self.database)
        replicas = (replica.warm_up(reads) for replica in self.replicas.all)
        await asyncio.gather(self.database.primary.warm_up(writes), *replicas)

    async def watch(self) -> None:
        """Watch the replicas and Redis, and hear what that was not told, until cancelled."""
        await asyncio.gather(
            self.replicas.watch(), self._consistency_tokens.hear(), self._cache_room.watch()
        )

    async def close(self) -> None:
        """Close every connection."""
        await self.database.close()
        await self.replicas.close()
        await self.redis.close()
        await self._counting_redis.close()
        await self.targets_redis.close()
        self.queue.close()
        self.reckoning.close()


class Shards:
    """The one seam between a service and its servers. A single shard for now.

    Args:
        lock_seconds: See Database.
        keys: What services' secrets are encrypted with.
    """

    def __init__(
        self,
        urls: ShardUrls,
        *,
        pool_size: int = POOL_SIZE,
        lock_seconds: float | None = None,
        keys: EncryptionKeys = NO_KEYS,
    ) -> None:
        self._shard = Shard(urls, pool_size=pool_size, lock_seconds=lock_seconds, keys=keys)

    def of(self, service_id: UUID) -> Shard:
        """The shard that a service lives on."""
        return self._shard

    def all(self) -> list[Shard]:
        """Every shard, for dispatchers and workers."""
        return [self._shard]

    async def watch(self) -> None:
        """Watch all servers that are read from, until cancelled."""
        await asyncio.gather(*(shard.watch() for shard in self.all()))

    async def close(self) -> None:
        """Close every connection."""
        await self._shard.close()
