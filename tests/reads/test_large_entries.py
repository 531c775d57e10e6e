"""What is large stays out of Redis, and nothing older is read instead."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import msgspec
import pytest

from commands.jobs.update_job import Changes, UpdateJob, update_job
from domain.targets.kinds.http import HttpTarget
from storage.cache.cache_entry import kept_until
from storage.cache.shared_cache import SHARED_BYTES, Commit, NewCacheEntry, SharedCache
from tests.reads.client import ReadingClient, now

LARGE = HttpTarget(
    url="http://127.0.0.1:9/", body=msgspec.Raw(msgspec.json.encode("x" * SHARED_BYTES))
)
HEAD_BYTES = 200
"""Of an entry, beside the answer's body."""


async def enlarge(client: ReadingClient, job_id: UUID) -> int:
    command = UpdateJob(
        caller=client.caller, job_id=job_id, changes=Changes(target=LARGE), now=now()
    )
    return (await update_job(command, client.shards)).version


async def largest(client: ReadingClient) -> int:
    """Bytes of the largest value that Redis has."""
    redis = client.shards.of(client.caller.service_id).redis
    keys = await redis.call(lambda _: ("KEYS", "*:entry:*"))
    return max([await redis.call(lambda _, key=key: ("STRLEN", key)) for key in keys], default=0)


async def test_no_large_value_goes_to_redis(here: ReadingClient, there: ReadingClient):
    jobs = [await here.create() for _ in range(2)]
    for job_id in jobs:
        await enlarge(here, job_id)
    for client in (here, there):
        for _ in range(2):
            for job_id in jobs:
                await client.version(job_id)
            await client.listed()
            await client.create()  # so that both lists are loaded once more
        await asyncio.gather(*client.shards.of(client.caller.service_id)._cache._fills)
    assert 0 < await largest(here) < SHARED_BYTES + HEAD_BYTES


async def test_a_job_that_became_large_is_not_read_as_it_was(
    here: ReadingClient, there: ReadingClient
):
    job_id = await here.create()
    assert await there.version(job_id) == 1
    assert await enlarge(here, job_id) == 2
    assert [await there.layer(job_id) for _ in range(2)] == ["postgres", "memory"]
    assert await there.version(job_id) == 2
    await here.rename(await here.create())
    assert await there.version(job_id) == 2


@pytest.mark.parametrize("size", [SHARED_BYTES, SHARED_BYTES + 1])
async def test_an_earlier_version_that_comes_late_is_not_believed(here: ReadingClient, size: int):
    cache = SharedCache(here.shards.of(here.caller.service_id).redis)
    service_id = uuid4()
    for version, body in ((8, b"x" * size), (7, b"{}")):
        entry = NewCacheEntry(
            name="job", version=version, until=kept_until(now(), None), etag="", body=body
        )
        await cache.record([Commit(service_id=service_id, entries=(entry,), after=5)], 10)
    looked = await cache.look(service_id, "job")
    assert looked.entry is not None
    assert looked.token is not None
    assert looked.entry.version == 8
    assert looked.entry.holds(looked.token, now()) == (size <= SHARED_BYTES)
