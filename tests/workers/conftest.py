"""A shard to whose queue nobody listens, and a ringer that rings nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis import Redis

from domain.access.caller import Caller
from storage.shards import Shards
from storage.urls import ShardUrls, redis_database
from tests.commands.firing import WORKER, Firing
from tests.workers.ringing import Bell
from tests.workers.stepped_clocks import SteppedClocks
from workers.heartbeat import Heartbeat
from workers.worker.config import WorkerConfig
from workers.worker.recorder import Recorder
from workers.worker.ringer import Ringer

QUIET_DATABASE = 7


@pytest.fixture
async def quiet(shards: Shards, commands_urls: ShardUrls) -> AsyncIterator[Shards]:
    """The shard with Redis databases of its own, which are empty."""
    redis = f"{commands_urls.redis}/{QUIET_DATABASE}"
    made = Shards(ShardUrls(primary=commands_urls.primary, redis=redis))
    shard = made.all()[0]
    await shard.redis.call(lambda _: ("FLUSHDB",))
    with Redis.from_url(redis_database(shard.urls.redis, 1)) as queue:
        queue.flushdb()
    yield made
    await made.close()


@pytest.fixture
def firing(quiet: Shards, caller: Caller) -> Firing:
    """What dispatchers and workers do with a service's jobs."""
    return Firing(quiet, caller)


@pytest.fixture
def bell() -> Bell:
    """Counts what is rung, and rings until it is told to stop."""
    return Bell()


@pytest.fixture
async def recorder(firing: Firing) -> AsyncIterator[Recorder]:
    """A recorder that works."""
    made = Recorder(firing.shard)
    working = asyncio.create_task(made.run())
    yield made
    working.cancel()
    await asyncio.wait([working])


@pytest.fixture
async def ringer(firing: Firing, bell: Bell, recorder: Recorder) -> AsyncIterator[Ringer]:
    """A ringer that works, with room for one batch of messages."""
    config = WorkerConfig(concurrency=8, queue_capacity=201, wrong_clock_seconds=0.01)
    made = Ringer(firing.shard, WORKER, bell.ring, recorder, config=config)
    working = asyncio.create_task(made.run())
    yield made
    bell.silence()
    working.cancel()
    await asyncio.wait([working])


@pytest.fixture
def clocks() -> SteppedClocks:
    """Those of the heartbeat's process."""
    return SteppedClocks()


@pytest.fixture
def heartbeat(firing: Firing, clocks: SteppedClocks) -> Heartbeat:
    """The heartbeat of a process that has not beaten yet."""
    return Heartbeat(WORKER, "worker", firing.database, clocks=clocks)
