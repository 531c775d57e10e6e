"""Whatever server fails, reads stay right, and use it again when it is back."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

import msgspec
import psutil
import pytest

from app.embedded.servers import EmbeddedServers
from storage.cache.consistency_tokens import UNRECORDED
from storage.cache.shared_cache import Commit
from storage.postgres.pools import UNREACHABLE
from tests.reads.client import ReadingClient
from tests.reads.proxy import Proxy
from tests.servers import urls_of
from tests.storage.eventually import eventually
from tests.storage.reading import replay_paused


@pytest.fixture
async def network() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


class Pair:
    """Two processes of one service; the first reaches Redis through a proxy."""

    def __init__(self, here: ReadingClient, there: ReadingClient, redis: Proxy) -> None:
        self.here, self.there, self.redis = here, there, redis

    async def agree(self, job_id: object, version: int) -> bool:
        return all(
            [await client.version(job_id) == version for client in (self.here, self.there)]  # type: ignore[arg-type]
        )


@pytest.fixture
async def pair(own_servers: EmbeddedServers, network: AsyncExitStack) -> AsyncIterator[Pair]:
    urls = urls_of(own_servers)
    proxy = await network.enter_async_context(Proxy(port_of(urls.redis)))
    through = urls.redis.replace(str(port_of(urls.redis)), str(proxy.port))
    there = await ReadingClient.of_a_new_service(urls)
    here = there.elsewhere(msgspec.structs.replace(urls, redis=through))
    yield Pair(here, there, proxy)
    await here.close()
    await there.close()


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


async def test_a_flushed_redis_costs_nothing_but_a_look_at_the_primary(
    pair: Pair, own_servers: EmbeddedServers
):
    job_id = await pair.here.create()
    async with replay_paused(own_servers):
        version = await pair.here.rename(job_id)
        await pair.there.shards.all()[0].redis.call(lambda _: ("FLUSHALL",))
        assert await pair.agree(job_id, version)


@pytest.mark.promise("own writes")
async def test_with_redis_killed_and_back_reads_are_right_throughout(
    pair: Pair, own_servers: EmbeddedServers
):
    job_id = await pair.here.create()
    async with replay_paused(own_servers):
        own_servers.valkey.kill()
        version = await pair.here.rename(job_id)
        assert await pair.agree(job_id, version)
        assert await pair.there.layer(job_id) == "primary"
        own_servers.valkey.restart()
        assert await pair.agree(job_id, version)
    await eventually(lambda: _is(pair.there, job_id, "memory"), what="memory answers again")


async def test_a_redis_that_forgot_its_last_writes_is_not_believed(
    pair: Pair, own_servers: EmbeddedServers
):
    """What an append-only file lost, or a replica had not received that took over."""
    job_id = await pair.here.create()
    redis = pair.there.shards.all()[0].redis
    own_keys = await redis.call(lambda epoch: ("KEYS", f"{epoch}:*"))
    before = {key: await redis.call(lambda _, key=key: ("DUMP", key)) for key in own_keys}
    async with replay_paused(own_servers):
        version = await pair.here.rename(job_id)
        own_servers.valkey.restart()
        await eventually(lambda: _answers(pair.there), what="Redis answers")
        for key, value in before.items():
            await redis.call(lambda _, key=key, value=value: ("RESTORE", key, 0, value, "REPLACE"))
        assert await pair.agree(job_id, version)


@pytest.mark.promise("hanging servers")
async def test_a_redis_that_does_not_answer_holds_no_read_up(
    pair: Pair, own_servers: EmbeddedServers
):
    job_id = await pair.here.create()
    pair.redis.hold()
    assert await pair.here.layer(job_id) == "primary"
    pair.redis.let_go()
    await eventually(lambda: _is(pair.here, job_id, "memory"), what="memory answers again")


async def test_what_one_process_could_not_tell_redis_the_others_hear_of(
    pair: Pair, own_servers: EmbeddedServers
):
    job_id = await pair.here.create()
    hearing = asyncio.create_task(pair.there.shards.watch())
    await eventually(lambda: _hears(pair.there), what="the other process listens")
    assert await pair.there.version(job_id) == 1
    unrecorded = UNRECORDED._value.get()
    async with replay_paused(own_servers):
        pair.redis.hold()
        version = await pair.here.rename(job_id)
        assert UNRECORDED._value.get() == unrecorded + 1
        await eventually(lambda: _is_at(pair.there, job_id, version), what="the other one knows")
        assert (await pair.there.listed())[job_id] == version
        assert await pair.here.version(job_id) == version
    hearing.cancel()


@pytest.mark.promise("own writes")
async def test_a_commit_after_which_the_primary_died_is_not_read_over(
    pair: Pair, own_servers: EmbeddedServers
):
    """Found by chaos: a job stored in the primary's last moment was answered with 404."""
    job_id = await pair.here.create()
    assert await pair.there.version(job_id) == 1
    shard = pair.here.shards.all()[0]
    async with replay_paused(own_servers):
        async with shard.database.driver() as driver:
            await driver.execute("UPDATE jobs SET version = 2 WHERE id = $1", job_id)
        own_servers.primary.kill()
        try:
            await shard._consistency_tokens.record(
                Commit(service_id=pair.here.caller.service_id, invalidates=False)
            )
            with pytest.raises(UNREACHABLE):
                await pair.there.version(job_id)
        finally:
            own_servers.primary.start()
    await eventually(lambda: _is_at(pair.there, job_id, 2), what="what was committed is read")


@pytest.mark.promise("hanging servers")
async def test_a_replica_that_hangs_is_left_alone_until_it_answers(
    pair: Pair, own_servers: EmbeddedServers
):
    job_id = await pair.here.create()
    shard = pair.there.shards.all()[0]
    watching = asyncio.create_task(shard.replicas.watch())
    await eventually(lambda: _replica_usable(pair.there, True), what="the replica is seen")
    pids = [own_servers.replica.pid, *_children(own_servers.replica.pid)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        assert await pair.there.listed() == {job_id: 1}
        await eventually(lambda: _replica_usable(pair.there, False), what="the replica is ejected")
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    await eventually(lambda: _replica_usable(pair.there, True), what="the replica is back")
    watching.cancel()


async def _is(client: ReadingClient, job_id: object, layer: str) -> bool:
    return await client.layer(job_id) == layer  # type: ignore[arg-type]


async def _is_at(client: ReadingClient, job_id: object, version: int) -> bool:
    return await client.version(job_id) == version  # type: ignore[arg-type]


async def _answers(client: ReadingClient) -> bool:
    try:
        await client.shards.all()[0].redis.ping()
    except Exception:  # noqa: BLE001
        return False
    return True


async def _hears(client: ReadingClient) -> bool:
    async with client.shards.all()[0].database.driver() as driver:
        return bool(
            await driver.fetchval(
                "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE 'LISTEN%unrecorded%')"
            )
        )


async def _replica_usable(client: ReadingClient, usable: bool) -> bool:
    (replica,) = client.shards.all()[0].replicas.all
    return replica.usable is usable and (not usable or replica.replayed > 0)


def _children(pid: int | None) -> list[int]:
    return [child.pid for child in psutil.Process(pid).children(recursive=True)]
