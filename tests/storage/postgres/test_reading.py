"""A service reads what it wrote, from the replica when that has it."""

from __future__ import annotations

import asyncio

import pytest

from app.embedded.servers import EmbeddedServers
from storage.shards import Shard
from tests.storage.reading import Reader, replay_paused


async def test_a_service_reads_from_the_replica_what_that_has_replayed(shard: Shard):
    reader = Reader(shard)
    name = await reader.write()
    await reader.settled()
    assert await reader.sees(name)


async def test_a_service_sees_its_own_write_though_the_replica_does_not(
    shard: Shard, own_servers: EmbeddedServers
):
    reader, other = await Reader(shard).settled(), await Reader(shard).settled()
    async with replay_paused(own_servers):
        name = await reader.write()
        assert await reader.sees(name)
        assert not await reader.on_replica()
        assert await other.on_replica()
        assert not await other.sees(name)
    await reader.settled()
    assert await reader.sees(name)


async def test_another_process_sees_it_too(shard: Shard, own_servers: EmbeddedServers):
    elsewhere = Shard(shard.urls)
    writer = await Reader(shard).settled()
    reader = Reader(elsewhere)
    reader.id = writer.id
    await reader.settled()
    async with replay_paused(own_servers):
        assert await reader.sees(await writer.write())
    await elsewhere.close()


async def test_services_that_write_at_once_each_see_their_own_write(
    shard: Shard, own_servers: EmbeddedServers
):
    readers = [await Reader(shard).settled() for _ in range(20)]

    async def write_and_look(reader: Reader) -> bool:
        return await reader.sees(await reader.write())

    async with replay_paused(own_servers):
        assert all(await asyncio.gather(*map(write_and_look, readers)))


async def test_a_flushed_redis_costs_no_write_of_ones_own(
    shard: Shard, own_servers: EmbeddedServers
):
    reader = await Reader(shard).settled()
    async with replay_paused(own_servers):
        name = await reader.write()
        await shard.redis.call(lambda _: ("FLUSHALL",))
        assert await reader.sees(name)


async def test_a_replica_is_read_only_for_us(shard: Shard):
    reader = await Reader(shard).settled()
    assert (
        await shard.read(reader.id, lambda driver: driver.fetchval("SHOW transaction_read_only"))
        == "on"
    )


async def test_a_failed_write_leaves_nothing(shard: Shard):
    reader = await Reader(shard).settled()
    name = await reader.write()

    async def delete_and_fail() -> None:
        async with shard.writing(reader.id) as driver:
            await driver.execute("DELETE FROM services")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await delete_and_fail()
    assert await reader.sees(name)
