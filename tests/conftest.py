"""Fixtures: real Postgres with a replica, real Valkey, a real target, Tocsin's own processes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from hypothesis import settings

from app.embedded.servers import EmbeddedServers
from commands.keys.bootstrap_key import BootstrapKey, bootstrap_key
from domain.access.caller import Caller
from domain.access.keys import service_of
from loadtests.sink.process import SinkProcess
from storage.postgres.pools import Database
from storage.schema.migrate import migrate
from storage.shards import Shards
from storage.urls import ShardUrls
from tests.domain.examples import FEW
from tests.processes import System
from tests.servers import started_servers, stopped_servers, urls_of
from tests.suite.seconds import Seconds

pytest_plugins = ["tests.suite.promises", "tests.suite.starting"]
COMMANDS_DATABASE = "commands"

# A red CI is to be about the change and no other chance; on people's machines examples vary.
settings.register_profile("ci", derandomize=True)
settings.register_profile("fast", max_examples=FEW)
if os.environ.get("CI"):
    settings.load_profile("ci")
STORED = (
    "attempts",
    "runs",
    "run_events",
    "job_stats",
    "service_stats",
    "turns",
    "ledger",
    "backfills",
    "listings",
    "job_counts",
    "fire_counts",
    "traces",
    "secrets",
    "calendar_changes",
    "jobs",
    "workers",
    "zone_tables",
    "retention",
    "audit",
    "idempotency_keys",
)


def pytest_configure(config: pytest.Config) -> None:
    """Have it told where the time went."""
    config.pluginmanager.register(Seconds())


@pytest.fixture(scope="session")
def seed(starts_processes: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The files of servers with our schema, to start others from."""
    with stopped_servers(tmp_path_factory.mktemp("seed")) as files:
        yield files


@pytest.fixture(scope="session")
def servers(seed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServers]:
    """A primary, a replica and a Valkey, shared by the tests of this process."""
    with started_servers(tmp_path_factory.mktemp("servers"), seed=seed) as embedded:
        yield embedded


@pytest.fixture(scope="session")
def urls(servers: EmbeddedServers) -> ShardUrls:
    """Where those servers are."""
    return urls_of(servers)


@pytest.fixture(scope="session")
def sink(starts_processes: None) -> Iterator[SinkProcess]:
    """An HTTP target that counts what it receives; tests tell their requests apart by path."""
    with SinkProcess() as process:
        yield process


@pytest.fixture(scope="session")
def system(urls: ShardUrls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """All of Tocsin, running: one process of each kind."""
    with System(urls, tmp_path_factory.mktemp("system")) as running:
        running.migrate()
        running.start("api", "dispatcher", "worker", "clock")
        yield running


@pytest.fixture
def client(system: System) -> Iterator[httpx.Client]:
    """Calls the API as a service of this test's own."""
    with system.client(f"test-{uuid4()}") as calling:
        yield calling


@pytest.fixture(scope="session")
def commands_urls(urls: ShardUrls) -> ShardUrls:
    """A second database on the same servers, which no process of ours works on.

    It is read on the primary: for what dispatchers write, no reader of a replica waits.
    """
    primary = urls.primary.rpartition("/")[0] + "/" + COMMANDS_DATABASE

    async def prepare() -> None:
        first = Database(urls.primary)
        async with first.driver() as driver:
            await driver.execute(f"CREATE DATABASE {COMMANDS_DATABASE}")
        await first.close()
        second = Database(primary)
        await migrate(second, datetime.now(UTC))
        await second.close()

    asyncio.run(prepare())
    return ShardUrls(primary=primary, redis=urls.redis)


@pytest.fixture
async def shards(commands_urls: ShardUrls) -> AsyncIterator[Shards]:
    """The shard that commands and queries are tried on; its rows are deleted afterwards."""
    made = Shards(commands_urls)
    yield made
    async with made.all()[0].database.driver() as driver:
        await driver.execute("; ".join(f"DELETE FROM {table}" for table in STORED))
    await made.close()


@pytest.fixture
async def caller(shards: Shards) -> Caller:
    """A caller of a service of this test's own."""
    key = await bootstrap_key(
        BootstrapKey(service_name=f"test-{uuid4()}", now=datetime.now(UTC)), shards
    )
    service_id = service_of(key)
    assert service_id is not None
    return Caller(service_id=service_id, principal="key:test", request_id="test")


@pytest.fixture
def job_body(sink: SinkProcess) -> Callable[..., dict[str, Any]]:
    """A valid body for POST /jobs, whose target is the sink; keywords replace fields."""

    def make(*, path: str = "/ok", **changes: Any) -> dict[str, Any]:
        return {
            "name": "hello",
            "schedule": {"after": "PT0S"},
            "target": {"type": "http", "url": sink.url + path},
            **changes,
        }

    return make


@pytest.fixture
def log_folder(tmp_path: Path) -> Path:
    """Where a test's own processes log."""
    return tmp_path
