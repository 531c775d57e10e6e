"""Statements on embedded servers, for tests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import asyncpg

from app.embedded.servers import EmbeddedServers

WAIT_SECONDS = 15.0


def ask(url: str, statement: str) -> Any:
    """The first value that a statement returns."""

    async def work() -> Any:
        connection = await asyncpg.connect(url, timeout=5)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(work())


def as_superuser(servers: EmbeddedServers) -> str:
    """The primary's URL for its superuser."""
    password = servers.primary._site.passwords.superuser
    return f"postgresql://postgres:{password}@127.0.0.1:{servers.primary.port}/postgres"


def write_row(servers: EmbeddedServers) -> int:
    """Write a row to the primary and return how many there are."""
    ask(servers.urls.primary, "CREATE TABLE IF NOT EXISTS row (id serial)")
    ask(servers.urls.primary, "INSERT INTO row DEFAULT VALUES")
    count: int = ask(servers.urls.primary, "SELECT count(*) FROM row")
    return count


def rows_on_replica(servers: EmbeddedServers) -> int:
    """How many rows the replica has; 0 if it does not know the table yet."""
    try:
        count: int = ask(servers.urls.replicas[0], "SELECT count(*) FROM row")
    except (asyncpg.UndefinedTableError, OSError):
        return 0
    return count


def eventually(condition: Callable[[], object], what: str) -> None:
    """Return when the condition holds; fail when it does not in time."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not within {WAIT_SECONDS:g} s: {what}"
        time.sleep(0.02)


def replica_catches_up(servers: EmbeddedServers) -> None:
    """Write a row, and wait until the replica has it."""
    count = write_row(servers)
    eventually(lambda: rows_on_replica(servers) == count, f"{count} rows on the replica")
