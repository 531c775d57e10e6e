"""Databases and servers of the tests' own, to be migrated, paused and killed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from app.embedded.servers import EmbeddedServers
from storage.postgres.pools import Database
from storage.shards import Shard
from storage.urls import ShardUrls
from tests.servers import started_servers
from tests.storage.eventually import eventually


@pytest.fixture
def empty_database(urls: ShardUrls) -> Iterator[str]:
    """The URL of a new database without tables."""
    name = f"storage_{uuid4().hex}"
    asyncio.run(_execute(urls.primary, f"CREATE DATABASE {name}"))
    yield urls.primary.rpartition("/")[0] + "/" + name
    asyncio.run(_drop(urls.primary, name))


@pytest.fixture
async def database(empty_database: str) -> AsyncIterator[Database]:
    """A new database without tables."""
    made = Database(empty_database)
    yield made
    await made.close()


@pytest.fixture(scope="package")
def own_servers(seed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServers]:
    """Servers that a test may pause and kill; each test leaves them running."""
    with started_servers(tmp_path_factory.mktemp("own"), seed=seed) as servers:
        yield servers


@pytest.fixture
async def shard(own_servers: EmbeddedServers) -> AsyncIterator[Shard]:
    """A shard on those servers."""
    found = own_servers.urls
    made = Shard(ShardUrls(primary=found.primary, replicas=found.replicas, redis=found.redis))
    yield made
    await made.close()


async def _execute(url: str, statement: str) -> None:
    database = Database(url)
    try:
        async with database.driver() as driver:
            await driver.execute(statement)
    finally:
        await database.close()


async def _drop(url: str, name: str) -> None:
    """Drop a database; while autovacuum is in it, only a superuser may end that."""

    async def dropped() -> bool:
        try:
            await _execute(url, f"DROP DATABASE {name} WITH (FORCE)")
        except asyncpg.InsufficientPrivilegeError:
            return False
        return True

    await eventually(dropped, seconds=30, what="autovacuum left the database")
