"""Transactions of commands, through SQLAlchemy."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any, NewType, cast

import msgspec
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from domain.schedules.schedule import Schedule
from storage import postgres
from storage.connecting import connect as connect_to
from storage.jobs import encode_schedule
from storage.keepalive import SERVER_SIDE
from storage.pooled import CONNECT_OPTIONS, setting_for_a_transaction

WriteConnection = NewType("WriteConnection", AsyncConnection)

_NOTHING = text("SELECT")
# What SQLAlchemy prepares, it would keep for longer than a pooler does.
_UNNAMED = {"prepared_statement_cache_size": 0, "prepared_statement_name_func": str}


class Transactions:
    """SQLAlchemy's connections to one primary, or to a pooler before it.

    Args:
        settings: Of its connections.
        command_seconds: Without an answer for so long a statement is given up; None waits for it.
    """

    def __init__(
        self,
        url: str,
        *,
        pool_size: int,
        settings: Mapping[str, str],
        pooled: bool = False,
        command_seconds: float | None = postgres.STATEMENT_SECONDS + postgres.ANSWER_SECONDS,
    ) -> None:
        self._url = url
        self._command_seconds = command_seconds
        self._settings = dict(settings)
        self._set = text(setting_for_a_transaction(settings))
        self._is_pooled = pooled
        self.engine = create_async_engine(
            "postgresql+asyncpg://",
            creator=self._connect,
            pool_size=pool_size,
            max_overflow=0,
            hide_parameters=True,
            pool_timeout=postgres.POOL_WAIT_SECONDS,
            json_serializer=_encode,
            json_deserializer=_as_text,
        )
        event.listen(self.engine.sync_engine, "checkout", _discard_closed)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[WriteConnection]:
        """Commit when the block ends, roll back when it raises.

        What goes wrong is the driver's to tell, here as elsewhere: see storage.postgres.UNREACHABLE
        for what is to be waited for.
        """
        with _as_the_driver_tells():
            async with self.engine.begin() as connection:
                if self._is_pooled:
                    await connection.execute(self._set)
                yield WriteConnection(connection)

    async def begun(self, connection: WriteConnection) -> postgres.Driver:
        """The connection below, in a transaction that has begun: SQLAlchemy begins it late."""
        await connection.execute(_NOTHING)
        return await driver_of(connection)

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()

    def _connect(self) -> Any:
        connecting = partial(
            connect_to,
            self._url,
            timeout=postgres.CONNECT_SECONDS,
            command_timeout=self._command_seconds,
        )
        connect: Any = self.engine.dialect.dbapi.connect  # type: ignore[union-attr]
        if self._is_pooled:
            return connect(async_creator_fn=partial(connecting, **CONNECT_OPTIONS), **_UNNAMED)
        settings = self._settings | SERVER_SIDE
        return connect(async_creator_fn=partial(connecting, server_settings=settings))


@contextmanager
def _as_the_driver_tells() -> Iterator[None]:
    """Errors as asyncpg raises them: whoever waits for a server knows one family of them."""
    try:
        yield
    except DBAPIError as error:
        raise error.driver_exception from error
    except PoolTimeout as error:
        raise TimeoutError(str(error)) from error


def _discard_closed(dbapi_connection: Any, record: object, proxy: object) -> None:
    # The event loop saw the socket close when the server went away: no round trip is needed to
    # find out, as `pool_pre_ping` would make.
    if dbapi_connection.driver_connection.is_closed():
        raise DisconnectionError("the server closed this connection")


def _encode(value: object) -> str:
    if isinstance(value, Schedule):
        return encode_schedule(value)
    return msgspec.json.encode(value).decode()


# JSON is decoded straight into Structs, by those who know which.
_as_text: Callable[[str], str] = str


async def driver_of(connection: WriteConnection) -> postgres.Driver:
    """The asyncpg connection below, within the same transaction once that has begun."""
    raw = await connection.get_raw_connection()
    return cast("postgres.Driver", raw.driver_connection)
