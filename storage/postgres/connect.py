"""A connection to Postgres, to that of several hosts which takes writes."""

from __future__ import annotations

from typing import Any

import asyncpg

from storage.postgres.keepalive import keep_alive

TRANSACTION_SECONDS = 30
"""Postgres takes a client that stopped between preparing and executing for busy, and no other bound
ends its transaction (findings/asyncpg_flush.sh)."""
_BOUNDED_SINCE = 17


async def connect(url: str, **options: Any) -> asyncpg.Connection:
    """A connection that ends when its server is silent.

    Args:
        options: Of the driver.
    """
    connection = await asyncpg.connect(url, **options, **target_of(url))
    keep_alive(connection)
    if "server_settings" in options and connection.get_server_version().major >= _BOUNDED_SINCE:
        # Not at the start: an older server refuses a connection with a setting that it lacks.
        await connection.execute(f"SET transaction_timeout = '{TRANSACTION_SECONDS}s'")
    return connection


def target_of(url: str) -> dict[str, str]:
    """What tells the driver which of several hosts to take: after a fail-over it is another."""
    hosts, _, rest = url.rpartition("@")[2].partition("/")
    is_told = "target_session_attrs=" in rest
    return {"target_session_attrs": "read-write"} if "," in hosts and not is_told else {}
