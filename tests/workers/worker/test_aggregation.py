"""A worker that ended runs asks for a fold soon, and not more often than it should."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from redis import Redis

from storage.urls import redis_database
from tests.commands.ended_runs import Ending, end, service_counts, told_states
from tests.commands.firing import DUE, SECOND, Firing, failed, succeeded
from workers.housekeeping.aggregation import AggregationRequests, aggregate_all
from workers.housekeeping.retention import forget_old_stats
from workers.worker.recorder import Recorder


def asked(firing: Firing) -> int:
    """How many messages wait in the housekeeping's queue."""
    with Redis.from_url(redis_database(firing.shard.urls.redis, 1)) as queue:
        waiting = queue.llen("dramatiq:housekeeping")
        assert isinstance(waiting, int)
        return waiting


async def test_many_ends_within_a_moment_are_asked_for_once(firing: Firing):
    requests = AggregationRequests(firing.shard.queue, ask_seconds=0.3)
    asking = asyncio.create_task(requests.run())
    for _ in range(10):
        requests.runs_ended()
        await asyncio.sleep(0.01)
    assert asked(firing) == 0
    await asyncio.sleep(0.6)
    assert asked(firing) == 1
    requests.runs_ended()
    await asyncio.sleep(0.6)
    assert asked(firing) == 2
    asking.cancel()


async def test_the_recorder_tells_of_runs_that_ended_and_of_no_others(firing: Firing):
    requests = AggregationRequests(firing.shard.queue)
    recorder = Recorder(firing.shard, aggregation=requests)
    working = asyncio.create_task(recorder.run())
    await recorder.record(failed(await firing.running_run()))
    await asyncio.sleep(0.05)
    assert not requests._wanted.is_set()
    await recorder.record(succeeded(await firing.running_run()))
    await asyncio.sleep(0.05)
    assert requests._wanted.is_set()
    working.cancel()


async def test_all_that_waits_is_folded(firing: Firing, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("storage.services.statistics.EVENTS_AT_ONCE", 2)
    job = await firing.job()
    for number in range(5):
        ending = Ending(job_id=job.id, due_at=DUE + number * SECOND)
        await end(firing.shard, firing.caller, [ending])
    await aggregate_all(firing.database, datetime.now(UTC))
    assert await told_states(firing) == []
    assert await service_counts(firing) == {"succeeded": 5}


async def test_housekeeping_keeps_the_statistics_of_a_year(firing: Firing):
    job = await firing.job()
    ages = (0, 366, 401)
    endings = [Ending(job_id=job.id, due_at=DUE - 86_400 * age * SECOND) for age in ages]
    await end(firing.shard, firing.caller, endings)
    await aggregate_all(firing.database, DUE)
    await forget_old_stats(firing.shard)
    assert await service_counts(firing) == {"succeeded": 2}
