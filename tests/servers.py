"""Embedded servers for the time of a test."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from app.embedded.servers import EmbeddedServers
from storage.postgres.pools import Database
from storage.schema.migrate import migrate
from storage.urls import ShardUrls


@contextmanager
def started_servers(
    folder: Path, *, durable: bool = False, seed: Path | None = None
) -> Iterator[EmbeddedServers]:
    """A primary, a replica and a Valkey; their files go with them.

    Args:
        seed: Files of servers that have stopped, to begin with: those are copied in less time.
    """
    if seed is not None:
        sow(seed, folder)
    embedded = EmbeddedServers(folder, durable=durable)
    with embedded:
        yield embedded
    embedded.remove()


@contextmanager
def stopped_servers(folder: Path) -> Iterator[Path]:
    """The files of servers with our schema."""
    embedded = EmbeddedServers(folder, durable=False)
    with embedded:
        asyncio.run(_migrate(embedded.urls.primary))
    yield embedded._home
    embedded.remove()


def sow(seed: Path, folder: Path) -> None:
    """Have servers begin in a data directory with those files."""
    subprocess.run(["cp", "-a", f"{seed}/.", EmbeddedServers(folder)._home], check=True)


async def _migrate(url: str) -> None:
    database = Database(url)
    await migrate(database, datetime.now(UTC))
    await database.close()


def urls_of(embedded: EmbeddedServers) -> ShardUrls:
    """Where they are."""
    found = embedded.urls
    return ShardUrls(primary=found.primary, replicas=found.replicas, redis=found.redis)
