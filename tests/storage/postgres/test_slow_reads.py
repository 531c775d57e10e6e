"""A query that takes too long is its own fault, and not that of the server it was asked of."""

from __future__ import annotations

import asyncio
from functools import partial

import asyncpg
import pytest

from storage.postgres.pools import Driver
from storage.postgres.replicas import Replica
from storage.postgres.routed_reads import COSTLY_READS
from storage.shards import Shard
from storage.shares import ShareUsedUp
from tests.storage.eventually import eventually
from tests.storage.reading import Reader

SLOW = "SELECT pg_sleep(20)"


@pytest.fixture
async def reader(shard: Shard) -> Reader:
    return await Reader(shard).settled()


def replica_of(shard: Shard) -> Replica:
    (replica,) = shard.replicas.all
    return replica


async def test_what_takes_too_long_is_asked_once_and_ejects_nobody(shard: Shard, reader: Reader):
    asked: list[Driver] = []

    async def question(driver: Driver) -> None:
        asked.append(driver)
        await driver.fetch(SLOW)

    with pytest.raises(asyncpg.QueryCanceledError):
        await shard.read(reader.id, question)
    assert len(asked) == 1
    assert replica_of(shard).usable
    assert await reader.on_replica()


async def test_without_a_replica_it_takes_no_longer(shard: Shard):
    with pytest.raises(asyncpg.QueryCanceledError):
        async with shard.database.reading() as driver:
            await driver.fetch(SLOW)


async def test_a_connection_that_is_lost_is_made_up_for_and_ejects_nobody(
    shard: Shard, reader: Reader
):
    asked: list[bool] = []

    async def question(driver: Driver) -> None:
        asked.append(await driver.fetchval("SELECT pg_is_in_recovery()"))
        if asked[-1]:
            await driver.fetch("SELECT pg_terminate_backend(pg_backend_pid())")

    await shard.read(reader.id, question)
    assert asked == [True, False]
    assert replica_of(shard).usable


async def test_few_costly_reads_of_a_service_run_at_once_and_others_pass(
    shard: Shard, reader: Reader
):
    other = await Reader(shard).settled()
    running: list[int] = []
    counts: set[int] = set()

    async def slow(driver: Driver) -> None:
        running.append(1)
        counts.add(len(running))
        try:
            await driver.fetch(SLOW)
        finally:
            running.pop()

    costly = [
        asyncio.ensure_future(shard.read(reader.id, slow, costly=True))
        for _ in range(4 * COSTLY_READS)
    ]
    await eventually(partial(_has, counts, COSTLY_READS), what="some run")
    assert await reader.on_replica()
    assert await other.on_replica()
    ends = await asyncio.gather(*costly, return_exceptions=True)
    assert {type(end) for end in ends} == {asyncpg.QueryCanceledError, ShareUsedUp}
    assert max(counts) == COSTLY_READS
    assert await reader.on_replica()


async def _has(counts: set[int], count: int) -> bool:
    return count in counts
