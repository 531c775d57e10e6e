"""The layers before Postgres, and what may overtake what."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

from app.embedded.servers import EmbeddedServers
from storage.cache.cache_entry import ConsistencyToken, kept_until
from storage.cache.read_cache import Loaded
from storage.cache.shared_cache import Commit, NewCacheEntry, SharedCache, _token_key
from storage.postgres.pools import Driver
from storage.urls import ShardUrls
from tests.reads.client import ReadingClient, now
from tests.storage.reading import replay_paused


async def test_a_new_job_is_read_from_redis_and_then_from_memory(
    here: ReadingClient, there: ReadingClient
):
    await here.create()  # from now on the process knows where the primary is
    job_id = await here.create()
    assert [await there.layer(job_id) for _ in range(2)] == ["redis", "memory"]


async def test_any_commit_of_the_service_ends_what_memory_holds(
    here: ReadingClient, there: ReadingClient
):
    job_id, other = await here.create(), await here.create()
    await there.version(job_id)
    await here.rename(other)
    assert await there.layer(job_id) == "redis"


async def test_a_deleted_job_is_gone_at_once(here: ReadingClient, there: ReadingClient):
    job_id = await here.create()
    assert await there.version(job_id) == 1
    await here.delete(job_id)
    assert await there.version(job_id) is None
    assert await there.layer(job_id) in {"memory", "redis"}


async def test_what_does_not_exist_is_remembered_for_a_moment(there: ReadingClient):
    job_id = uuid4()
    assert await there.layer(job_id) == "postgres"
    assert await there.layer(job_id) == "memory"


async def test_a_list_is_read_anew_after_every_commit(here: ReadingClient, there: ReadingClient):
    first = await here.create()
    assert await there.listed() == {first: 1}
    second = await here.create()
    assert await there.listed() == {first: 1, second: 1}
    await here.rename(first)
    assert (await there.listed())[first] == 2


async def test_a_list_goes_to_redis_when_it_is_loaded_again(
    here: ReadingClient, there: ReadingClient
):
    await here.create()
    await here.listed()
    assert await there.layer_of_list() == "postgres"
    await here.create()
    await here.listed()
    await asyncio.gather(*here.shards.of(here.caller.service_id)._cache._fills)
    assert await there.layer_of_list() == "redis"


async def test_many_readers_of_what_nobody_holds_ask_postgres_once(here: ReadingClient):
    shard = here.shards.of(here.caller.service_id)
    asked = 0

    async def load(driver: Driver) -> Loaded:
        nonlocal asked
        asked += 1
        await driver.fetchval("SELECT pg_sleep(0.05)")
        return Loaded(version=1, until=kept_until(now(), None), etag="", body=b"{}")

    reading = (shard.read_cached(here.caller.service_id, "some", now(), load) for _ in range(20))
    await asyncio.gather(*reading)
    assert asked == 1


async def test_what_was_read_before_an_update_does_not_come_back_after_it(
    here: ReadingClient, there: ReadingClient, urls: ShardUrls
):
    job_id = await here.create()
    await there.shards.of(here.caller.service_id).redis.call(lambda _: ("FLUSHALL",))
    shard = there.shards.of(here.caller.service_id)
    read, updated = asyncio.Event(), asyncio.Event()

    async def load_slowly(driver: Driver) -> Loaded:
        read.set()
        await updated.wait()
        return Loaded(version=1, until=kept_until(now(), None), etag="", body=b'{"version":1}')

    name = f"job:{job_id.hex}"
    slow = asyncio.create_task(shard.read_cached(here.caller.service_id, name, now(), load_slowly))
    await read.wait()
    assert await here.rename(job_id) == 2
    updated.set()
    await slow
    await asyncio.gather(*shard._cache._fills)
    third = here.elsewhere(urls)
    assert [await client.version(job_id) for client in (here, there, third)] == [2, 2, 2]
    await third.close()


async def test_a_write_through_that_comes_late_changes_nothing(here: ReadingClient):
    cache = SharedCache(here.shards.of(here.caller.service_id).redis)
    service_id = uuid4()

    def commit(version: int) -> Commit:
        entry = NewCacheEntry(
            name="job", version=version, until=kept_until(now(), None), etag="", body=b"{}"
        )
        return Commit(service_id=service_id, entries=(entry,), after=5)

    await cache.record([commit(8)], 10)
    await cache.record([commit(7)], 10)
    looked = await cache.look(service_id, "job")
    assert looked.entry is not None
    assert looked.entry.version == 8
    assert looked.token is not None
    assert looked.token.lsn == 10


async def test_each_commit_changes_the_token_though_the_lsn_may_stay(here: ReadingClient):
    cache = SharedCache(here.shards.of(here.caller.service_id).redis)
    service_id = uuid4()
    tokens = []
    for lsn in (10, 10, 9):
        await cache.record([Commit(service_id=service_id)], lsn)
        tokens.append((await cache.look(service_id)).token)
    assert len(set(tokens)) == 3
    assert {token.lsn for token in tokens if token} == {10}


async def test_a_commit_that_changed_who_knows_what_voids_what_was_cached(
    here: ReadingClient, there: ReadingClient
):
    job_id = await here.create()
    await there.version(job_id)
    async with here.shards.of(here.caller.service_id).writing(here.caller.service_id) as driver:
        await driver.execute("UPDATE jobs SET version = 2 WHERE id = $1", job_id)
    assert await there.layer(job_id) == "postgres"


async def test_entries_of_a_primary_that_another_took_over_from_are_void(here: ReadingClient):
    cache = SharedCache(here.shards.of(here.caller.service_id).redis)
    service_id = uuid4()
    entry = NewCacheEntry(name="job", version=8, until=kept_until(now(), None), etag="", body=b"{}")
    await cache.record([Commit(service_id=service_id, entries=(entry,), after=1 << 64)], 1 << 64)
    await cache.record([Commit(service_id=service_id)], 2 << 64)
    looked = await cache.look(service_id, "job")
    assert looked.entry is not None
    assert looked.token is not None
    assert not looked.entry.holds(looked.token, now())


async def test_what_is_doubted_is_believed_by_nobody_until_the_next_commit(here: ReadingClient):
    redis = here.shards.of(here.caller.service_id).redis
    cache, service_id = SharedCache(redis), uuid4()
    entry = NewCacheEntry(name="job", version=8, until=kept_until(now(), None), etag="", body=b"{}")
    await cache.record([Commit(service_id=service_id, entries=(entry,), after=5)], 10)
    await cache.doubt(service_id)
    looked = await cache.look(service_id, "job")
    assert looked.token is None
    # Older processes read it as a token: no server has come so far, and no entry is so new.
    raw = await redis.call(lambda epoch: ("GET", _token_key(epoch, service_id)))
    assert ConsistencyToken.decode(raw).lsn == (1 << 96) - 1
    assert looked.entry is not None
    assert not looked.entry.holds(ConsistencyToken.decode(raw), now())
    await cache.record([Commit(service_id=service_id)], 20)
    looked = await cache.look(service_id, "job")
    assert looked.token is not None
    assert (looked.token.lsn, looked.token.invalid_before) == (20, 20)


async def test_services_do_not_see_each_others_jobs(here: ReadingClient, urls: ShardUrls):
    job_id = await here.create()
    await here.version(job_id)
    other = await ReadingClient.of_a_new_service(urls)
    assert await other.version(job_id) is None
    assert await other.listed() == {}
    await other.close()


async def test_a_replica_that_is_held_back_is_not_asked(
    here: ReadingClient, there: ReadingClient, own_servers: EmbeddedServers
):
    known: dict[UUID, int] = {}
    async with replay_paused(own_servers):
        for _ in range(5):
            known[await here.create()] = 1
            assert await there.listed() == known
