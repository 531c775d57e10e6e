"""What workers tell of targets is kept while they live, and each tells for itself."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import msgspec
import pytest

from domain.access.caller import Caller
from domain.targets.health.breaker import BreakerState
from domain.targets.health.target_status import TargetStatus
from queries.services.list_targets import ListTargets, list_targets
from storage.postgres.routed_reads import COSTLY_READS
from storage.redis.connection import RedisAway, RedisLink
from storage.redis.target_status import MAX_TARGETS, STALE_AFTER, _key, published_status, tell
from storage.shards import Shards
from storage.shares import ShareUsedUp

NOW = datetime.now(UTC)
SECOND = timedelta(seconds=1)
ONE = TargetStatus(
    kind="http",
    name="https://example.com",
    state=BreakerState.CLOSED,
    under_way=1,
    concurrency=512,
    rate=None,
    failures=0,
    opened_at=None,
    probe_at=None,
    seen_at=NOW,
    minutes=[],
)
OTHER = msgspec.structs.replace(ONE, name="https://other.example", seen_at=NOW + SECOND)


@pytest.fixture
def redis(shards: Shards) -> RedisLink:
    return shards.all()[0].redis


async def test_each_process_replaces_what_it_told_and_nothing_else(redis: RedisLink):
    mine, neighbour = uuid4(), uuid4()
    first, second = uuid4(), uuid4()
    await tell(redis, first, {mine: [ONE, OTHER], neighbour: [OTHER]}, NOW)
    await tell(redis, second, {mine: [ONE]}, NOW)
    assert len(await published_status(redis, mine, NOW)) == 3
    await tell(redis, first, {mine: [OTHER]}, NOW)
    assert sorted(view.name for view in await published_status(redis, mine, NOW)) == [
        ONE.name,
        OTHER.name,
    ]
    assert await published_status(redis, neighbour, NOW) == [OTHER]


async def test_what_processes_of_older_versions_tell_is_read(redis: RedisLink):
    service_id = uuid4()
    told = msgspec.json.encode({"told_at": NOW, "targets": [ONE]})
    await redis.call(lambda epoch: ("HSET", _key(epoch, service_id), b"a process", told))
    assert await published_status(redis, service_id, NOW) == [ONE]


async def test_a_process_that_tells_no_more_is_forgotten(redis: RedisLink):
    service_id = uuid4()
    await tell(redis, uuid4(), {service_id: [ONE]}, NOW)
    assert await published_status(redis, service_id, NOW + STALE_AFTER) == [ONE]
    assert await published_status(redis, service_id, NOW + STALE_AFTER + SECOND) == []


async def test_there_is_a_bound_on_what_one_process_tells_of_a_service(redis: RedisLink):
    service_id = uuid4()
    await tell(redis, uuid4(), {service_id: [ONE] * (MAX_TARGETS + 1)}, NOW)
    assert len(await published_status(redis, service_id, NOW)) == MAX_TARGETS


async def test_many_services_are_told_of_at_once(redis: RedisLink):
    services = [uuid4() for _ in range(120)]
    await tell(redis, uuid4(), {service_id: [ONE] for service_id in services}, NOW)
    assert [len(await published_status(redis, service_id, NOW)) for service_id in services] == [
        1
    ] * 120


async def test_a_target_of_several_processes_is_listed_once_those_in_trouble_first(
    shards: Shards, caller: Caller
):
    redis = shards.of(caller.service_id).redis
    broken = msgspec.structs.replace(ONE, name="https://broken.example", state=BreakerState.OPEN)
    for views in ([ONE, OTHER], [ONE, broken]):
        await tell(redis, uuid4(), {caller.service_id: views}, NOW)
    listed = await list_targets(ListTargets(caller=caller, now=NOW), shards)
    assert [(view.name, view.under_way) for view in listed] == [
        (broken.name, 1),
        (OTHER.name, 1),
        (ONE.name, 2),
    ]


async def test_what_is_told_of_targets_keeps_nobody_from_the_cache(
    shards: Shards, caller: Caller, redis: RedisLink, monkeypatch: pytest.MonkeyPatch
):
    """It may be megabytes: it comes over a connection of its own, few times at once."""
    shard, asked = shards.of(caller.service_id), ListTargets(caller=caller, now=NOW)
    await tell(redis, uuid4(), {caller.service_id: [ONE]}, NOW)

    async def broken(_: object) -> None:
        raise RedisAway

    shard.reads._costly.wait_seconds = 0.01
    monkeypatch.setattr(redis, "call", broken)
    assert await list_targets(asked, shards) == [ONE]
    async with AsyncExitStack() as others:
        for _ in range(COSTLY_READS):
            await others.enter_async_context(shard.reads.costly(caller.service_id))
        with pytest.raises(ShareUsedUp):
            await list_targets(asked, shards)
    assert await list_targets(asked, shards) == [ONE]
