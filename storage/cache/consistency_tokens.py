"""Each service's last commit, so that it reads its own writes wherever it reads."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from uuid import UUID

import structlog
from prometheus_client import Counter

from storage.cache.shared_cache import Commit, Looked, SharedCache
from storage.error_kinds import kind_of
from storage.postgres.batches import Batches
from storage.postgres.listen import listen
from storage.postgres.pools import UNREACHABLE, Database
from storage.redis.connection import RedisAway

log = structlog.get_logger()
UNRECORDED = Counter("tocsin_commits_unrecorded_total", "Commits of which Redis was not told.")
UNRECORDED_CHANNEL = "tocsin_unrecorded"

_CURRENT_LSN = """
SELECT ('x' || left(pg_walfile_name(lsn), 8))::bit(32)::bigint AS timeline,
    (lsn - '0/0')::bigint AS lsn
FROM pg_current_wal_insert_lsn() AS lsn
"""
# Replicas have it when they have replayed what came before: see storage.postgres.replicas.
_NOTE_TIMELINE = "INSERT INTO timelines VALUES ($1) ON CONFLICT DO NOTHING"


class ConsistencyTokens:
    """Remembers in Redis how far each service has come.

    Commits that end at about the same time are recorded together, with one look at the primary's
    LSN: any LSN read after a commit is late enough for it.

    When the primary dies after a commit, Redis is told to doubt what it knows of the service. When
    Redis is away, other processes are told through Postgres. Until the next record of the service,
    nobody believes what Redis says of it.
    """

    def __init__(self, database: Database, cache: SharedCache) -> None:
        self._database = database
        self._cache = cache
        self._recordings: Batches[Commit, None] = Batches(self._record)
        self._lsn = self._timeline = 0
        self._doubtful: set[UUID] = set()

    @property
    def lsn(self) -> int:
        """An LSN that the primary has reached, for a commit that begins now."""
        return self._lsn

    async def record(self, commit: Commit) -> None:
        """Return when all processes know, or are told to doubt what Redis says of the service."""
        try:
            await self._recordings.answer(commit)
        except (RedisAway, *UNREACHABLE) as error:
            UNRECORDED.inc()
            log.warning(
                "commit.unrecorded", service_id=str(commit.service_id), error=kind_of(error)
            )
            self._doubtful.add(commit.service_id)
            await self._tell_to_doubt(commit.service_id)

    async def record_all(self, commits: Iterable[Commit]) -> None:
        """The same of several."""
        await asyncio.gather(*map(self.record, commits))

    async def look(self, service_id: UUID, name: str | None = None) -> Looked | None:
        """What Redis knows of a service, or None when it cannot be asked or believed."""
        try:
            if service_id in self._doubtful:
                await self._make_up_for(service_id)
            looked = await self._cache.look(service_id, name)
            if looked.token is not None:
                return looked
            # It never wrote, or long ago, or Redis was flushed: what is committed by now is enough.
            await self._make_up_for(service_id)
            return await self._cache.look(service_id, name)
        except (RedisAway, *UNREACHABLE):
            return None

    async def hear(self) -> None:
        """Learn what other processes could not tell Redis, until cancelled."""
        await listen(
            self._database.primary_url,
            UNRECORDED_CHANNEL,
            lambda service_id: self._doubtful.add(UUID(service_id)),
        )

    async def _make_up_for(self, service_id: UUID) -> None:
        await self._recordings.answer(Commit(service_id=service_id, invalidates=True))
        self._doubtful.discard(service_id)

    async def _tell_to_doubt(self, service_id: UUID) -> None:
        try:
            await self._cache.doubt(service_id)
        except RedisAway:
            await self._announce(service_id)

    async def _announce(self, service_id: UUID) -> None:
        try:
            async with self._database.driver() as driver:
                await driver.execute("SELECT pg_notify($1, $2)", UNRECORDED_CHANNEL, service_id.hex)
        except UNREACHABLE as error:
            # With neither, others that cannot reach Redis either read from the primary.
            log.warning("commit.unannounced", service_id=str(service_id), error=kind_of(error))

    async def _record(self, commits: list[Commit]) -> dict[Commit, None]:
        async with self._database.driver() as driver:
            row = await driver.fetchrow(_CURRENT_LSN)
            if row is None:
                raise ValueError("The primary tells of no LSN.")
            if row["timeline"] > self._timeline:
                await driver.execute(_NOTE_TIMELINE, row["timeline"])
                self._timeline = row["timeline"]
        self._lsn = row["timeline"] << 64 | row["lsn"]
        await self._cache.record(commits, self._lsn)
        return dict.fromkeys(commits)
