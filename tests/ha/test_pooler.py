"""Behind PgBouncer in transaction mode everything is as it is without."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
import msgspec
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from loadtests.sink.process import SinkProcess
from storage.postgres.pools import READ_SECONDS, READ_SETTINGS, SERVER_SETTINGS, Database
from storage.schema.migrate import migrate, until_migrated
from storage.urls import ShardUrls
from tests.ha.pgbouncer import SERVER_CONNECTIONS, pgbouncer_before
from tests.ha.traffic import Outcome, traffic
from tests.processes import System


@pytest.fixture(scope="module")
def pooler(urls: ShardUrls) -> Iterator[tuple[str, int]]:
    """A PgBouncer before the primary, and its process."""
    with pgbouncer_before(urls.primary) as running:
        yield running


@pytest.fixture
def pooled_system(urls: ShardUrls, pooler: tuple[str, int], tmp_path: Path) -> Iterator[System]:
    """All of Tocsin behind it."""
    there = msgspec.structs.replace(urls, pooler=pooler[0])
    with System(there, tmp_path) as running:
        running.migrate()
        running.start("api", "dispatcher", "dispatcher", "worker", "worker", "clock")
        yield running


def test_jobs_are_stored_rung_and_read(
    pooled_system: System, pooler: tuple[str, int], urls: ShardUrls, sink: SinkProcess
) -> None:
    with pooled_system.client(f"ha-{uuid4()}") as client, traffic(client, sink) as made:
        made.wait_for_writes(200)
        direct = asyncio.run(_direct_queries(urls.primary, pooler[1]))
        assert client.get("/jobs", params={"limit": 200}).json()["items"]
        assert "leads to Postgres" in pooled_system.run("doctor")
        made.stop()
        outcome = Outcome(client, sink, made)
        outcome.rang_once()
        outcome.tell(made)
        assert not made.failed
        assert _reads_of(client, "replica") > 0
    # The API listens for one channel, each dispatcher and each worker, too.
    assert len(direct) == 5
    assert all(query.startswith("LISTEN ") for query in direct), direct
    for name in ("api", "dispatcher", "worker"):
        for process in pooled_system.every(name):
            assert "prepared statement" not in process.text


async def test_statements_meet_no_other_connections_leavings(
    urls: ShardUrls, pooler: tuple[str, int]
) -> None:
    """Many at once, on few connections of the pooler's, with all that a session could keep."""
    direct = Database(urls.primary)
    await migrate(direct, await _now(direct))
    pooled = Database(urls.primary, pooler_url=pooler[0])

    async def work(number: int) -> None:
        async with pooled.driver() as driver:
            assert await driver.fetchval("SELECT $1::int", number) == number
            async with driver.transaction():
                assert await _shown(driver, SERVER_SETTINGS) == SERVER_SETTINGS
                assert await driver.fetchval("SELECT $1::text", str(number)) == str(number)
        async with pooled.reading() as driver:
            assert await driver.fetch("SELECT $1::uuid[] AS ids", [uuid4()])
            bounded = READ_SETTINGS | {"statement_timeout": f"{READ_SECONDS}s"}
            assert await _shown(driver, bounded) == bounded
        async with pooled.transaction() as driver:
            assert await _shown(driver, SERVER_SETTINGS) == SERVER_SETTINGS

    await asyncio.gather(*(work(number) for number in range(8 * SERVER_CONNECTIONS)))
    await until_migrated(pooled)
    await pooled.close()
    await direct.close()


async def _now(database: Database) -> object:
    async with database.driver() as driver:
        return await driver.fetchval("SELECT now()")


async def _shown(driver: object, settings: dict[str, str]) -> dict[str, str]:
    names = list(settings)
    values = await driver.fetchval(  # type: ignore[attr-defined]
        "SELECT array_agg(current_setting(name) ORDER BY place)"
        " FROM unnest($1::text[]) WITH ORDINALITY AS wanted(name, place)",
        names,
    )
    return dict(zip(names, values, strict=True))


async def _direct_queries(url: str, pooler_pid: int) -> list[str]:
    """What those of the primary's connections said last that do not come from the pooler."""
    process = psutil.Process(pooler_pid)
    pooled = [one.laddr.port for one in process.net_connections() if one.status == "ESTABLISHED"]
    connection = await asyncpg.connect(url)
    rows = await connection.fetch(
        "SELECT query FROM pg_stat_activity WHERE backend_type = 'client backend'"
        " AND pid <> pg_backend_pid() AND client_port <> ALL ($1::int[])",
        pooled,
    )
    await connection.close()
    return [row["query"] for row in rows]


def _reads_of(client: httpx.Client, server: str) -> float:
    families = text_string_to_metric_families(client.get("/metrics").text)
    return sum(
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == "tocsin_reads_total" and sample.labels["server"] == server
    )
