"""Connections to Postgres: to the primary for commands, to replicas for queries."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol, cast

import asyncpg
import structlog

from storage.error_kinds import kind_of
from storage.postgres.clock_offset import ClockOffset
from storage.postgres.connect import connect
from storage.postgres.keepalive import IN_TRANSACTION_SECONDS, SERVER_SIDE
from storage.postgres.pooler import CONNECT_OPTIONS, PooledDriver


class Driver(Protocol):
    """What we use of an asyncpg connection."""

    async def execute(self, query: str, *arguments: object) -> str: ...
    async def fetch(self, query: str, *arguments: object) -> list[asyncpg.Record]: ...
    async def fetchrow(self, query: str, *arguments: object) -> asyncpg.Record | None: ...
    async def fetchval(self, query: str, *arguments: object) -> Any: ...
    def transaction(self, *, isolation: str | None = None) -> AbstractAsyncContextManager[None]: ...


log = structlog.get_logger()
POOL_SIZE = 10
POOL_WAIT_SECONDS = 5
WARM = 3
"""Connections that a process has from the beginning."""
WARM_UP_SECONDS = 5
CONNECT_SECONDS = 5
STATEMENT_SECONDS = 30
READ_SECONDS = 2
"""A query that takes longer is cancelled: another server would do no better."""
ANSWER_SECONDS = 0.5
"""So much longer is waited for what the server itself says of a statement that took too long."""
LOCK_SECONDS = 2
"""How long a client's command waits for what others lock."""
_QUERIES_OF_A_CONNECTION = 1_000_000  # then it is made anew, for what a backend may have gathered

# What a server looks like from here that is away, starting, full, or wants to be asked again:
# whoever meets it waits.
UNREACHABLE = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.InsufficientResourcesError,  # its disk, memory or connections
    asyncpg.OperatorInterventionError,  # shut down, crashed, starting, a statement cancelled
    asyncpg.PostgresSystemError,  # its disk does not read or write
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TransactionTimeoutError,
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InvalidCachedStatementError,  # planned before a migration
    OSError,
)

# After these the connection is as good as before.
_REFUSALS = (
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
)

# Every statement of ours looks rows up by an index. A new day's partition has no statistics yet,
# and the planner then takes whole-table joins for cheap: a burst would cost minutes.
SERVER_SETTINGS = {
    "application_name": "tocsin",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_seqscan": "off",
    "idle_in_transaction_session_timeout": f"{IN_TRANSACTION_SECONDS}s",
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",
    # Our end of a connection gives a statement up by then; if it is gone, the server does.
    "statement_timeout": f"{STATEMENT_SECONDS}s",
}
# What a list of ids says is looked up id by id; a bitmap would be of all that lies between them,
# and what an index has in order is not to be read whole and sorted.
LOOKUP_SETTINGS = SERVER_SETTINGS | {"enable_bitmapscan": "off", "enable_sort": "off"}
# A list is planned once for all services, large and small. What an index has in the order of the
# list is to be read in that order, a page at a time, and never read whole to be sorted.
READ_SETTINGS = SERVER_SETTINGS | {"enable_sort": "off", "enable_incremental_sort": "off"}


class Server:
    """Connections to one Postgres server, made when they are first wanted.

    Args:
        url: `postgresql://user:password@host:port/database`; with several hosts, split by commas,
            the one that takes writes.
        size: Connections kept at most.
        settings: Of its connections.
        statement_seconds: How long a statement may take.
        read_only: Whether Postgres itself is to refuse writes.
        pooled: Whether the URL is that of a pooler in transaction mode.

    Attributes:
        on_connect: Called whenever a connection is made: it may lead to a server started anew.
    """

    def __init__(
        self,
        url: str,
        *,
        size: int,
        settings: Mapping[str, str] = LOOKUP_SETTINGS,
        statement_seconds: float = STATEMENT_SECONDS,
        read_only: bool = False,
        pooled: bool = False,
    ) -> None:
        self.on_connect: Callable[[], None] = lambda: None
        self._url = url
        self._size = size
        self._settings = {**settings, "statement_timeout": f"{statement_seconds:g}s"}
        self._statement_seconds = statement_seconds
        if read_only:
            self._settings["default_transaction_read_only"] = "on"
        self._is_pooled = pooled
        self._pool: asyncpg.Pool | None = None

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Driver]:
        """A connection of the pool. Every statement is a transaction, unless the block opens one.

        One that an error may have left in disorder is not used again.
        """
        pool = self._pool or await self._make_pool()
        async with asyncio.timeout(POOL_WAIT_SECONDS):  # the pool would need a task for it
            connection = await pool.acquire()
        try:
            yield self._driver(connection)
        except _REFUSALS:
            raise  # the server has said so, and is ready for the next statement
        except UNREACHABLE:
            connection.terminate()
            raise
        finally:
            await pool.release(connection)

    async def warm_up(self, statements: Sequence[str]) -> None:
        """Make some connections, and have statements planned there before anybody waits for them.

        Either takes longer than a statement does. Without an answer, whoever comes first waits.

        Args:
            statements: They do nothing where their arrays are empty and all else is null.
        """
        if self._is_pooled:
            return
        pool = self._pool or await self._make_pool()
        connections: list[Any] = []
        try:
            async with asyncio.timeout(WARM_UP_SECONDS):
                while len(connections) < min(WARM, self._size):
                    connections.append(await pool.acquire())
                for connection in connections:
                    for statement in statements:
                        await _plan(connection, statement)
        except (*UNREACHABLE, asyncpg.PostgresError) as error:
            log.info("database.not_warmed_up", error=kind_of(error))
        finally:
            for connection in connections:
                await pool.release(connection)

    async def close(self) -> None:
        """Close every connection."""
        if self._pool is not None:
            self._pool.terminate()

    async def _make_pool(self) -> asyncpg.Pool:
        # The pool belongs to the event loop that first asks for a connection.
        self._pool = asyncpg.create_pool(
            self._url,
            min_size=0,
            max_size=self._size,
            max_queries=_QUERIES_OF_A_CONNECTION,
            connect=self._connect,
            reset=_as_it_is,
            max_inactive_connection_lifetime=0,  # its statements are planned already
            timeout=CONNECT_SECONDS,
            command_timeout=self._statement_seconds + ANSWER_SECONDS,
            **(CONNECT_OPTIONS if self._is_pooled else self._session_options()),
        )
        return await self._pool

    def _session_options(self) -> dict[str, Any]:
        settings = self._settings | SERVER_SIDE
        return {"server_settings": settings, "max_cached_statement_lifetime": 0}

    def _driver(self, connection: asyncpg.Connection) -> Driver:
        if self._is_pooled:
            return PooledDriver(connection, self._settings)
        return cast("Driver", connection)

    async def _connect(self, url: str, **options: Any) -> asyncpg.Connection:
        connection = await connect(url, **options)
        self.on_connect()
        return connection


class Database:
    """The primary of a shard.

    Args:
        primary_url: As of a Server.
        pool_size: Connections kept for `reading`; for what writes, twice as many: commands that
            wait for locks leave room for the statements that commit by themselves.
        pooler_url: Of a pooler in transaction mode before it, which all of those lead to.
        lock_seconds: How long a statement that writes waits for what others lock; as long as it may
            take, if that is not said.

    Attributes:
        primary_url: Where a session is one, for what has to outlast a transaction.
        clock: How far this process's clock is from its.
    """

    def __init__(
        self,
        primary_url: str,
        *,
        pool_size: int = POOL_SIZE,
        pooler_url: str | None = None,
        lock_seconds: float | None = None,
    ) -> None:
        self.primary_url = primary_url
        self.clock = ClockOffset()
        url, is_pooled = pooler_url or primary_url, pooler_url is not None
        locks = {} if lock_seconds is None else {"lock_timeout": f"{lock_seconds:g}s"}
        self.primary = Server(
            url, size=2 * pool_size, settings=LOOKUP_SETTINGS | locks, pooled=is_pooled
        )
        self._reads = Server(
            url,
            size=pool_size,
            settings=READ_SETTINGS,
            statement_seconds=READ_SECONDS,
            pooled=is_pooled,
        )

    def driver(self) -> AbstractAsyncContextManager[Driver]:
        """A connection to the primary on which each statement commits by itself."""
        return self.primary.connection()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Driver]:
        """One on which all is committed when the block ends, and rolled back when it raises."""
        async with self.primary.connection() as driver, driver.transaction():
            yield driver

    def reading(self) -> AbstractAsyncContextManager[Driver]:
        """The primary for queries, where no replica will do."""
        return self._reads.connection()

    async def close(self) -> None:
        """Close every connection."""
        await self.primary.close()
        await self._reads.close()


@asynccontextmanager
async def search_by_terms(driver: Driver) -> AsyncIterator[None]:
    """Within a transaction: let the block's statements find rows by what they contain, not by key.

    Only a bitmap leads through an inverted index; without one, all that a service has is read. A
    statement keeps the plan of its first execution, so nothing else may be executed in the block.
    """
    await driver.execute(_PLAN_SEARCHES, "on")
    yield
    await driver.execute(_PLAN_SEARCHES, "off")


_PLAN_SEARCHES = """
SELECT set_config('enable_bitmapscan', $1, true), set_config('enable_sort', $1, true)
"""


async def _plan(connection: Any, statement: str) -> None:
    prepared = await connection.prepare(statement)
    empty: list[object] = [
        [] if kind.kind == "array" else None for kind in prepared.get_parameters()
    ]
    await connection.fetch(statement, *empty)


async def _as_it_is(_: object) -> None:
    """Nothing of ours changes a session, so that nothing need be reset after every use."""
