"""With a server away the others answer, and what came back is used again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.embedded.servers import EmbeddedServers
from storage.postgres.pools import Driver
from storage.postgres.routed_reads import ANYWHERE
from storage.shards import Shard
from tests.storage.eventually import eventually
from tests.storage.reading import Reader, replay_paused


@pytest.fixture
def redis_down(own_servers: EmbeddedServers, settled: list[Reader]) -> Iterator[EmbeddedServers]:
    """The servers, with Valkey killed."""
    own_servers.valkey.kill()
    yield own_servers
    own_servers.valkey.restart()


@pytest.fixture
def replica_down(own_servers: EmbeddedServers, settled: list[Reader]) -> Iterator[EmbeddedServers]:
    """The servers, with the replica killed."""
    own_servers.replica.kill()
    yield own_servers
    own_servers.replica.restart()


@pytest.fixture
async def settled(shard: Shard) -> list[Reader]:
    """Two services that were reading from the replica before it all happened."""
    return [await Reader(shard).settled() for _ in range(2)]


async def on_primary(driver: Driver) -> bool:
    """Whether a read comes from the primary."""
    return not await driver.fetchval("SELECT pg_is_in_recovery()")


async def test_with_redis_down_the_primary_takes_writes_and_answers_reads(
    redis_down: EmbeddedServers, settled: list[Reader]
):
    reader, other = settled
    name = await reader.write()
    assert await reader.sees(name)
    assert not await reader.on_replica()
    assert not await other.on_replica()


async def test_when_redis_is_back_the_replica_answers_again(
    redis_down: EmbeddedServers, settled: list[Reader]
):
    reader, _ = settled
    await reader.write()
    redis_down.valkey.restart()
    await reader.settled()


async def test_what_was_written_while_redis_was_down_is_seen_when_it_is_back(
    redis_down: EmbeddedServers, settled: list[Reader]
):
    reader, _ = settled
    async with replay_paused(redis_down):
        name = await reader.write()
        redis_down.valkey.restart()
        assert await reader.sees(name)


async def test_with_the_replica_down_a_service_that_just_wrote_reads_from_the_primary(
    replica_down: EmbeddedServers, settled: list[Reader]
):
    reader, _ = settled
    assert await reader.sees(await reader.write())


async def test_with_the_replica_down_a_service_that_wrote_nothing_reads_from_the_primary(
    replica_down: EmbeddedServers, settled: list[Reader], shard: Shard
):
    reader, _ = settled
    assert await shard.read(reader.id, on_primary)


async def test_with_the_replica_down_reads_of_no_service_go_to_the_primary(
    replica_down: EmbeddedServers, shard: Shard
):
    assert await shard.reads.read(ANYWHERE, on_primary)


async def test_when_the_replica_is_back_it_answers_again(
    replica_down: EmbeddedServers, settled: list[Reader]
):
    reader, _ = settled
    name = await reader.write()
    replica_down.replica.restart()
    await eventually(reader.on_replica, what="the replica answers again")
    assert await reader.sees(name)
