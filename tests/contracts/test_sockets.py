"""What we rely on to reach the sockets below other people's connections."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest
import uvloop
from redis import Connection
from redis.asyncio import Connection as AsyncConnection

from storage.postgres.connect import connect
from storage.postgres.keepalive import IDLE_SECONDS, OPTIONS, SERVER_SIDE
from storage.postgres.pools import Database
from storage.urls import ShardUrls


async def opened(urls: ShardUrls) -> None:
    """All kinds of connections that we make know when the other end is silent."""
    database = Database(urls.primary)
    async with database.driver() as driver, database.reading() as reading:
        listening = await connect(urls.primary, server_settings=SERVER_SIDE)
        for one in (driver, reading, listening):
            watches(one)
            assert await one.fetchval("SHOW tcp_keepalives_idle") == str(IDLE_SECONDS)
            milliseconds = SERVER_SIDE["tcp_user_timeout"]
            assert await one.fetchval("SHOW tcp_user_timeout") == milliseconds
        await listening.close()
    await database.close()


def watches(connection: Any) -> None:
    # The pool's stand-in passes attributes on.
    below = connection._transport.get_extra_info("socket")
    assert below.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    for option, value in OPTIONS.items():
        assert below.getsockopt(socket.IPPROTO_TCP, option) == value


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_asyncpg_lets_us_at_its_socket(run: Callable[[Any], None], urls: ShardUrls) -> None:
    run(opened(urls))


@pytest.mark.parametrize("kind", [Connection, AsyncConnection])
def test_redis_py_keeps_its_connections_alive_itself(kind: Any) -> None:
    made = kind()
    assert made.socket_keepalive
    assert made.socket_keepalive_options
