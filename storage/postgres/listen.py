"""Listening to what commands announce (LISTEN and NOTIFY)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import asyncpg
import structlog

from storage.error_kinds import kind_of
from storage.postgres.connect import connect
from storage.postgres.keepalive import SERVER_SIDE
from storage.postgres.pools import CONNECT_SECONDS, UNREACHABLE

log = structlog.get_logger()
RETRY_SECONDS = 0.25


async def listen(url: str, channel: str, on_notice: Callable[[str], object]) -> None:
    """Call `on_notice` with what every notice on a channel says, until cancelled.

    The URL is that of Postgres itself: a pooler in transaction mode forgets who listens.
    What is announced while the server cannot be reached is lost: callers look for themselves, too.
    """
    while True:
        try:
            await _listen_until_closed(url, channel, on_notice)
        except (*UNREACHABLE, asyncpg.PostgresError) as error:
            log.warning("channel.not_listening", channel=channel, error=kind_of(error))
        await asyncio.sleep(RETRY_SECONDS)


async def _listen_until_closed(url: str, channel: str, on_notice: Callable[[str], object]) -> None:
    closed = asyncio.Event()
    connection = await connect(url, timeout=CONNECT_SECONDS, server_settings=SERVER_SIDE)
    try:
        connection.add_termination_listener(lambda _: closed.set())
        await connection.add_listener(channel, lambda *notice: on_notice(notice[-1]))
        await closed.wait()
    finally:
        await connection.close(timeout=CONNECT_SECONDS)
