"""A Redis that is full: what is little and must be known is written, and nothing more is cached."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import uuid4

import pytest
from redis import Redis
from redis.exceptions import OutOfMemoryError

from storage.cache.consistency_tokens import UNRECORDED
from storage.cache.shared_cache import Commit, NewCacheEntry, SharedCache
from storage.queue.blocking_consumer import wake_consumer
from storage.queue.broker import RUNS_QUEUE, RunQueue, make_broker
from storage.redis.clock_ticks import last_tick, note_tick
from storage.redis.connection import RedisAway
from storage.redis.memory import CACHE_SHARE, CacheRoom
from storage.redis.rate_limits import Bucket
from storage.redis.target_status import tell
from storage.urls import ShardUrls
from tests.reads.client import ReadingClient, now
from tests.storage.eventually import eventually

CACHED = timedelta(minutes=1)
BALLAST = 8 * 1024 * 1024
RUNS = [(uuid4(), uuid4()) for _ in range(3)]


@contextmanager
def filled(urls: ShardUrls, share: float) -> Iterator[Redis]:
    """So much of its memory is in use."""
    with Redis.from_url(urls.redis) as redis:
        redis.setrange("ballast", BALLAST, "x")  # sent as one byte: no buffer counts for a while
        most = redis.config_get("maxmemory")["maxmemory"]
        redis.config_set("maxmemory", int(redis.info("memory")["used_memory"] / share))
        try:
            yield redis
        finally:
            redis.config_set("maxmemory", most)
            redis.delete("ballast")


@pytest.fixture
def full(urls: ShardUrls) -> Iterator[Redis]:
    with filled(urls, 1.5) as redis:
        with pytest.raises(OutOfMemoryError):
            redis.set("name", "value")
        yield redis


async def look(*clients: ReadingClient) -> None:
    """Have processes see how full it is."""
    for client in clients:
        await client.shards.of(client.caller.service_id)._cache_room.look()


def entries(redis: Redis, client: ReadingClient) -> int:
    return len(list(redis.scan_iter(f"*:entry:{client.caller.service_id.hex}:*")))


@pytest.mark.parametrize("seen", [False, True])
async def test_commits_are_told_and_reads_are_right_and_do_not_go_to_the_primary(
    here: ReadingClient, there: ReadingClient, urls: ShardUrls, *, seen: bool
):
    job = await here.create()
    assert await there.version(job) == 1
    unrecorded = UNRECORDED._value.get()
    with filled(urls, 1.5):
        if seen:
            await look(here, there)
        for version in (2, 3):
            assert await here.rename(job) == version
            assert await there.layer(job) != "primary"
            assert await there.version(job) == version
        await here.delete(job)
        assert await there.version(job) is None
    assert UNRECORDED._value.get() == unrecorded


async def test_before_it_is_full_nothing_more_is_cached_and_what_was_is_void(
    here: ReadingClient, there: ReadingClient, urls: ShardUrls
):
    old = await here.create()
    with filled(urls, CACHE_SHARE + 0.02) as redis:
        await look(here, there)
        before = entries(redis, here)
        new = await here.create()
        assert await there.layer(new) == "postgres"
        assert await here.layer(new) == "postgres"
        assert entries(redis, here) == before
        await here.rename(old)
        assert entries(redis, here) == before
        assert await there.layer(old) == "postgres"
        assert await there.version(old) == 2
    await look(here, there)
    await here.rename(old)
    assert await there.layer(old) == "redis"


async def test_an_earlier_version_that_comes_late_is_not_believed(here: ReadingClient):
    """Of two processes, one sees a moment before the other that there is no room."""
    link = here.shards.of(here.caller.service_id).redis
    service_id, full, not_yet = uuid4(), CacheRoom(link), CacheRoom(link)
    full.is_there = False
    for version, room in ((8, full), (7, not_yet)):
        entry = NewCacheEntry(
            name="job", version=version, until=now() + CACHED, etag="", body=str(version).encode()
        )
        commit = Commit(service_id=service_id, entries=(entry,), after=5)
        await SharedCache(link, room).record([commit], 10)
    looked = await SharedCache(link).look(service_id, "job")
    assert looked.token is not None
    assert looked.entry is None or not looked.entry.holds(looked.token, now())


async def test_requests_are_counted_all_the_same(here: ReadingClient, full: Redis):
    limits = here.shards.of(here.caller.service_id).rate_limits
    grants = [await limits.take((Bucket(f"test-{uuid4()}", 1),), 1) for _ in range(2)]
    assert [grant.count for grant in grants] == [1, 1]
    assert full.info("memory")["used_memory"] > int(full.config_get("maxmemory")["maxmemory"])


async def test_what_is_refused_is_refused_alone(here: ReadingClient, full: Redis):
    link = here.shards.of(here.caller.service_id).redis
    refused, answered = await asyncio.gather(
        link.call(lambda _: ("SET", "name", "value")),
        link.call(lambda _: ("ECHO", "answered")),
        return_exceptions=True,
    )
    assert isinstance(refused, RedisAway)
    assert str(refused) == "OutOfMemoryError"
    assert answered == b"answered"
    await link.ping()


async def test_views_of_targets_are_not_kept(here: ReadingClient, full: Redis):
    shard = here.shards.of(here.caller.service_id)
    with pytest.raises(RedisAway):
        await tell(shard.redis, uuid4(), {here.caller.service_id: []}, datetime.now(UTC))
    await shard.redis.ping()


async def test_messages_pass(urls: ShardUrls, full: Redis):
    broker = make_broker(urls.redis)
    queue = RunQueue(broker)
    before = await queue.unfinished()
    await queue.dispatch(RUNS)
    assert await queue.unfinished() == before + 1
    consumer = broker.consume(RUNS_QUEUE)
    message = await asyncio.to_thread(_next_message, consumer)
    assert message.args[0] == [[str(service), str(run)] for service, run in RUNS]
    await asyncio.to_thread(wake_consumer, broker, RUNS_QUEUE)
    consumer.ack(message)
    await eventually(partial(_has, queue, before))
    note_tick(broker.client, 5.0)
    assert last_tick(broker.client) == 5.0
    broker.close()


def _next_message(consumer):
    while (message := next(consumer)) is None:
        pass
    return message


async def _has(queue: RunQueue, count: int) -> bool:
    return await queue.unfinished() == count
