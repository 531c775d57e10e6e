"""The primary dies and the replica is promoted: with both hosts in the URL, work goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import pytest

from app.embedded.servers import EmbeddedServers
from storage.postgres.pools import UNREACHABLE
from storage.urls import ShardUrls
from tests.reads.client import ReadingClient
from tests.servers import started_servers, urls_of
from tests.storage.eventually import eventually


@pytest.fixture
def servers(seed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServers]:
    with started_servers(tmp_path_factory.mktemp("promotion"), durable=True, seed=seed) as embedded:
        yield embedded


async def test_reads_and_writes_go_on_at_the_replica_that_was_promoted(servers: EmbeddedServers):
    urls = urls_of(servers)
    either = _with_hosts(urls.primary, servers.primary.port, servers.replica.port)
    client = await ReadingClient.of_a_new_service(
        ShardUrls(primary=either, replicas=urls.replicas, redis=urls.redis)
    )
    job_id = await client.create()
    await eventually(lambda: _has(servers, job_id), what="the replica has the job")
    servers.primary.kill()
    assert await client.version(job_id) == 1
    await _execute(servers, "SELECT pg_promote()")
    await eventually(lambda: _renamed(client, job_id), seconds=30, what="writes are taken again")
    assert await client.version(job_id) == 2
    assert await client.listed() == {job_id: 2}
    await client.close()


async def test_a_commit_that_was_lost_with_the_primary_is_not_read_from_the_cache(
    servers: EmbeddedServers,
):
    """Without synchronous replication a fail-over may lose commits; the cache knew of them."""
    urls = urls_of(servers)
    either = _with_hosts(urls.primary, servers.primary.port, servers.replica.port)
    client = await ReadingClient.of_a_new_service(ShardUrls(primary=either, redis=urls.redis))
    job_id = await client.create()
    await eventually(lambda: _has(servers, job_id), what="the replica has the job")
    servers.replica.kill()
    assert [await client.rename(job_id) for _ in range(3)] == [2, 3, 4]
    servers.primary.kill()
    servers.replica.start()
    await _execute(servers, "SELECT pg_promote()")
    await eventually(lambda: _renamed(client, job_id), seconds=30, what="writes are taken again")
    assert await client.version(job_id) == 2
    assert await client.listed() == {job_id: 2}
    await client.close()


async def test_a_server_that_did_not_follow_the_fail_over_is_not_read_however_much_it_wrote(
    servers: EmbeddedServers,
):
    urls = urls_of(servers)
    before = await ReadingClient.of_a_new_service(
        ShardUrls(primary=urls.primary, redis=f"{urls.redis}/5")
    )
    job_id = await before.create()
    await eventually(lambda: _has(servers, job_id), what="the replica has the job")
    await _execute(servers, "SELECT pg_promote()")
    async with before.shards.all()[0].database.driver() as former:  # it goes on by itself
        await former.execute("SELECT pg_logical_emit_message(true, 'lost', repeat('x', 1 << 22))")
    (promoted,) = urls.replicas
    after = before.elsewhere(
        ShardUrls(primary=promoted, replicas=(urls.primary,), redis=urls.redis)
    )
    assert await after.rename(job_id) == 2
    assert await after.listed() == {job_id: 2}
    await before.close()
    await after.close()


async def _renamed(client: ReadingClient, job_id: UUID) -> bool:
    try:
        await client.rename(job_id)
    except UNREACHABLE:
        return False
    return True


async def _has(servers: EmbeddedServers, job_id: UUID) -> bool:
    connection = await asyncpg.connect(_superuser(servers))
    try:
        return bool(
            await connection.fetchval("SELECT EXISTS (SELECT FROM jobs WHERE id = $1)", job_id)
        )
    finally:
        await connection.close()


async def _execute(servers: EmbeddedServers, statement: str) -> None:
    connection = await asyncpg.connect(_superuser(servers))
    await connection.execute(statement)
    await connection.close()


def _superuser(servers: EmbeddedServers) -> str:
    password = servers.replica._site.passwords.superuser
    return f"postgresql://postgres:{password}@127.0.0.1:{servers.replica.port}/tocsin"


def _with_hosts(url: str, *ports: int) -> str:
    parts = urlsplit(url)
    hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
    return parts._replace(netloc=f"{parts.username}:{parts.password}@{hosts}").geturl()
