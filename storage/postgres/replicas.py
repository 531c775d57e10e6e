"""Which replica may answer: one that has replayed enough, and answers at all."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import asyncpg
import structlog
from prometheus_client import Gauge

from storage.error_kinds import kind_of
from storage.postgres.batches import Batches
from storage.postgres.pools import READ_SECONDS, READ_SETTINGS, UNREACHABLE, Server

log = structlog.get_logger()
REPLAYED = Gauge(
    "tocsin_replica_replayed_bytes",
    "WAL that the replica has replayed.",
    ["replica"],
    multiprocess_mode="livemax",
)
LAG = Gauge(
    "tocsin_replica_lag_seconds",
    "Age of the last commit that the replica has replayed, if it has more to replay.",
    ["replica"],
    multiprocess_mode="livemax",
)
USABLE = Gauge(
    "tocsin_replica_usable",
    "1 while the replica answers.",
    ["replica"],
    multiprocess_mode="livemin",
)
PROBE_SECONDS = 0.25
WATCH_SECONDS = 0.5
# The primary has what a replica refuses to tell, or has on a damaged page.
REPLICA_FAILS = (*UNREACHABLE, asyncpg.PostgresError)
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0

# Once promoted, it is as far as it can be. A server that did not follow the last fail-over may have
# more WAL than the primary, and other: it lacks the row of the primary's timeline.
_PROBE = """
SELECT coalesce((SELECT max(id) FROM timelines), 0) AS timeline,
    CASE WHEN pg_is_in_recovery() THEN (pg_last_wal_replay_lsn() - '0/0')::bigint
        ELSE (pg_current_wal_insert_lsn() - '0/0')::bigint END AS replayed,
    CASE WHEN pg_last_wal_replay_lsn() < pg_last_wal_receive_lsn()
        THEN extract(epoch FROM now() - pg_last_xact_replay_timestamp())::float ELSE 0 END AS lag
"""
_HAS_TABLES = "SELECT to_regclass('timelines') IS NOT NULL"


class NoTables(Exception):
    """It has not replayed the migration that makes them."""


class Replica:
    """One replica, as it was seen last.

    Attributes:
        replayed: Up to which lsn (see ConsistencyToken) it is known to have replayed the WAL.
    """

    def __init__(self, url: str, number: int, pool_size: int) -> None:
        self.server = Server(
            url,
            size=pool_size,
            settings=READ_SETTINGS,
            statement_seconds=READ_SECONDS,
            read_only=True,
        )
        self.name = f"replica-{number}"
        self.replayed = 0
        self.has_tables = False
        # Of its own, so that it need not wait for a connection.
        self._probe = Server(url, size=1, read_only=True)
        self._pause = 0.0
        self._ejected_until = 0.0
        # A new connection may lead to a server that was started anew, and is behind itself.
        self.server.on_connect = self._forget

    @property
    def usable(self) -> bool:
        """Whether it answered when it was asked last, or may be asked again."""
        return asyncio.get_running_loop().time() >= self._ejected_until

    def _eject(self, error: Exception) -> None:
        """Leave it alone for a while, longer each time."""
        if self.usable:
            self._pause = min(max(2 * self._pause, FIRST_PAUSE), LONGEST_PAUSE)
            self._ejected_until = asyncio.get_running_loop().time() + self._pause
            log.warning("replica.ejected", replica=self.name, error=kind_of(error))
        USABLE.labels(self.name).set(0)

    async def ask(self) -> None:
        """Look how far it is; it is ejected when it does not answer, and returns when it does."""
        try:
            async with asyncio.timeout(PROBE_SECONDS), self._probe.connection() as driver:
                # Asked for tables that are not there, it would say so in its log each time.
                if not self.has_tables and not await driver.fetchval(_HAS_TABLES):
                    raise NoTables
                self.has_tables = True
                row = await driver.fetchrow(_PROBE)
        except (*REPLICA_FAILS, NoTables) as error:
            self._eject(error)
            return
        if self._pause:
            log.info("replica.returned", replica=self.name)
        self._pause = self._ejected_until = 0.0
        replayed = (row and row["replayed"]) or 0
        self.replayed = ((row and row["timeline"]) or 0) << 64 | replayed
        USABLE.labels(self.name).set(1)
        REPLAYED.labels(self.name).set(replayed)
        LAG.labels(self.name).set((row and row["lag"]) or 0)

    async def warm_up(self, statements: Sequence[str]) -> None:
        """The same as its server's, once it has what they read."""
        while not self.has_tables:  # noqa: ASYNC110 (it is asked all the time, see Replicas.watch)
            await asyncio.sleep(WATCH_SECONDS)
        await self.server.warm_up(statements)

    async def close(self) -> None:
        """Close its connections."""
        await self.server.close()
        await self._probe.close()

    def _forget(self) -> None:
        self.replayed = 0


class Replicas:
    """The replicas of a shard."""

    def __init__(self, replicas: list[Replica]) -> None:
        self.all = replicas
        self._questions: Batches[Replica, None] = Batches(self._ask)

    async def having_replayed(self, lsn: int) -> Replica | None:
        """The least-lagged usable replica, if it has replayed the WAL up to a lsn."""
        # A lsn once replayed stays replayed, so they are asked only about newer ones.
        if (best := self.least_lagged()) is None or best.replayed >= lsn:
            return best
        usable = (replica for replica in self.all if replica.usable)
        await asyncio.gather(*(self._questions.answer(replica) for replica in usable))
        best = self.least_lagged()
        return best if best is not None and best.replayed >= lsn else None

    async def answers(self, replica: Replica) -> bool:
        """Whether a replica answers now; it is ejected if it does not.

        What a question met with says little of the server: others may have made it slow.
        """
        await self._questions.answer(replica)
        return replica.usable

    async def watch(self) -> None:
        """Look at all of them again and again, until cancelled."""
        while True:
            await asyncio.gather(*(self._questions.answer(replica) for replica in self.all))
            await asyncio.sleep(WATCH_SECONDS)

    async def close(self) -> None:
        """Close every connection."""
        for replica in self.all:
            await replica.close()

    def least_lagged(self) -> Replica | None:
        """The usable replica that is known to have replayed most."""
        usable = (replica for replica in self.all if replica.usable)
        return max(usable, key=lambda replica: replica.replayed, default=None)

    async def _ask(self, replicas: list[Replica]) -> dict[Replica, None]:
        await asyncio.gather(*(replica.ask() for replica in replicas))
        return dict.fromkeys(replicas)
