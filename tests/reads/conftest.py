"""Servers of the read tests' own: their replica is held back, their Valkey is flushed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from app.embedded.servers import EmbeddedServers
from storage.urls import ShardUrls
from tests.reads.client import ReadingClient
from tests.servers import started_servers, urls_of
from tests.storage.reading import replay_paused


@pytest.fixture(scope="package")
def own_servers(seed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServers]:
    """A primary, a replica and a Valkey that tests may hold back and kill."""
    with started_servers(tmp_path_factory.mktemp("reads"), seed=seed) as servers:
        yield servers


@pytest.fixture
def urls(own_servers: EmbeddedServers) -> ShardUrls:
    """Where those are."""
    return urls_of(own_servers)


@pytest.fixture
async def here(urls: ShardUrls) -> AsyncIterator[ReadingClient]:
    made = await ReadingClient.of_a_new_service(urls)
    yield made
    await made.close()


@pytest.fixture
async def there(here: ReadingClient, urls: ShardUrls) -> AsyncIterator[ReadingClient]:
    made = here.elsewhere(urls)
    yield made
    await made.close()


@asynccontextmanager
async def replay_stop_and_go(servers: EmbeddedServers) -> AsyncIterator[None]:
    """The replica falls behind, catches up, and falls behind again."""

    async def hold_and_let_go() -> None:
        while True:
            async with replay_paused(servers):
                await asyncio.sleep(0.4)
            await asyncio.sleep(0.1)

    holding = asyncio.create_task(hold_and_let_go())
    yield
    holding.cancel()
    await asyncio.gather(holding, return_exceptions=True)
