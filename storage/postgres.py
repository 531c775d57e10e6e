"""The primary for commands, replicas for queries."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, NewType, Protocol, cast

import asyncpg
import msgspec
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

ReadConnection = NewType("ReadConnection", AsyncConnection)
WriteConnection = NewType("WriteConnection", ReadConnection)  # may also be used to read


class Driver(Protocol):
    """What we use of an asyncpg connection."""

    async def execute(self, query: str, *arguments: object) -> str: ...
    async def fetch(self, query: str, *arguments: object) -> list[asyncpg.Record]: ...
    async def fetchrow(self, query: str, *arguments: object) -> asyncpg.Record | None: ...
    async def fetchval(self, query: str, *arguments: object) -> Any: ...
    def transaction(self) -> AbstractAsyncContextManager[None]: ...


POOL_SIZE = 10
POOL_WAIT_SECONDS = 5
CONNECT_SECONDS = 5
STATEMENT_SECONDS = 30

# What a server looks like from here that is away, starting, full, or wants to be asked again.
UNREACHABLE = (
    DBAPIError,
    PoolTimeout,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
    asyncpg.ReadOnlySQLTransactionError,
    OSError,
)


# Every statement of ours looks rows up by an index. A new day's partition has no statistics yet,
# and the planner then takes whole-table joins for cheap: a burst would cost minutes.
_LOOK_UPS_ONLY = {
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_seqscan": "off",
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",
}


class Database:
    """Engines of one primary and its replicas.

    Args:
        primary_url: `postgresql://user:password@host:port/database`.
        replica_urls: The same of each replica; none means that the primary answers reads too.
        pool_size: Connections kept to each server.
    """

    def __init__(
        self, primary_url: str, replica_urls: tuple[str, ...] = (), *, pool_size: int = POOL_SIZE
    ) -> None:
        self.primary = _engine(primary_url, pool_size, read_only=False)
        # Without AUTOCOMMIT every read would cost a BEGIN and a ROLLBACK, each a round trip.
        self.primary_reads = self.primary.execution_options(isolation_level="AUTOCOMMIT")
        self.replicas = [
            _engine(url, pool_size, read_only=True).execution_options(isolation_level="AUTOCOMMIT")
            for url in replica_urls
        ]

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[WriteConnection]:
        """Commit on the primary when the block ends, roll back when it raises."""
        async with self.primary.begin() as connection:
            yield WriteConnection(ReadConnection(connection))

    @asynccontextmanager
    async def driver(self) -> AsyncIterator[Driver]:
        """The primary without SQLAlchemy in between, for statements over whole batches.

        Every statement is its own transaction, unless the block opens one.
        """
        async with self.primary_reads.connect() as connection, discarded_in_trouble(connection):
            yield await driver_of(connection)

    async def close(self) -> None:
        """Close every connection."""
        for engine in (self.primary, *self.replicas):
            await engine.dispose()


@asynccontextmanager
async def discarded_in_trouble(connection: AsyncConnection) -> AsyncIterator[None]:
    """Keep a connection out of the pool after an error that may have left it in disorder.

    SQLAlchemy does so for what passes through it; what goes to the driver directly it cannot see.
    """
    try:
        yield
    except UNREACHABLE:
        await connection.invalidate()
        raise


async def driver_of(connection: AsyncConnection) -> Driver:
    """The asyncpg connection below a SQLAlchemy one."""
    raw = await connection.get_raw_connection()
    return cast("Driver", raw.driver_connection)


def driver_url(url: str) -> str:
    """A `postgresql://` URL as SQLAlchemy wants it for asyncpg."""
    return url.replace("postgresql://", "postgresql+asyncpg://", 1)


def _engine(url: str, pool_size: int, *, read_only: bool) -> AsyncEngine:
    settings = {"application_name": "tocsin", **_LOOK_UPS_ONLY}
    if read_only:
        settings["default_transaction_read_only"] = "on"
    engine = create_async_engine(
        driver_url(url),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=POOL_WAIT_SECONDS,
        json_serializer=_encode,
        json_deserializer=_as_text,
        connect_args={
            "timeout": CONNECT_SECONDS,
            "command_timeout": STATEMENT_SECONDS,
            "server_settings": settings,
        },
    )
    event.listen(engine.sync_engine, "checkout", _discard_closed)
    return engine


def _discard_closed(dbapi_connection: Any, record: object, proxy: object) -> None:
    # The event loop saw the socket close when the server went away: no round trip is needed to
    # find out, as `pool_pre_ping` would make.
    if dbapi_connection.driver_connection.is_closed():
        raise DisconnectionError("the server closed this connection")


def _encode(value: object) -> str:
    return msgspec.json.encode(value).decode()


# JSON is decoded straight into Structs, by those who know which.
_as_text: Callable[[str], str] = str
