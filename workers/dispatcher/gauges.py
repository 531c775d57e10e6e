"""Gauges of the whole shard, which each dispatcher reads from Postgres and Redis."""

from __future__ import annotations

from datetime import datetime

from prometheus_client import Gauge

from storage.postgres.heartbeats import living
from storage.postgres.pools import Database
from storage.redis.connection import RedisAway, RedisLink
from storage.redis.memory import memory_of
from storage.runs.oldest_claimable import oldest_unclaimed, oldest_untaken
from storage.runs.overrunning import overrunning

OLDEST_CLAIMABLE = Gauge(
    "tocsin_oldest_due_seconds",
    "Age of the oldest due job that no dispatcher claimed, or run that no worker took.",
    ["waits_for"],
    multiprocess_mode="livemostrecent",
)
OVERRUNNING = Gauge(
    "tocsin_overrunning_runs",
    "Runs that ring for 30 s longer than the timeout of their target.",
    multiprocess_mode="mostrecent",
)
HEARTBEATS = Gauge(
    "tocsin_heartbeats",
    "Processes with a recent heartbeat.",
    ["kind"],
    multiprocess_mode="livemostrecent",
)
REDIS_USED = Gauge(
    "tocsin_redis_used_bytes", "Memory in use in Redis.", multiprocess_mode="livemostrecent"
)
REDIS_MOST = Gauge(
    "tocsin_redis_max_bytes",
    "Bound of the memory of Redis (maxmemory); 0 without one.",
    multiprocess_mode="livemostrecent",
)


async def measure(database: Database, now: datetime) -> int:
    """Update the gauges of Postgres; return the number of live processes."""
    # Reading connections are planned to follow the indexes' order, without a sort.
    async with database.reading() as driver:
        unclaimed = await oldest_unclaimed(driver, now)
        untaken = await oldest_untaken(driver, now)
        too_long = await overrunning(driver, now)
        counts = await living(driver)
    OLDEST_CLAIMABLE.labels("dispatcher").set(_age(unclaimed, now))
    OLDEST_CLAIMABLE.labels("worker").set(_age(untaken, now))
    OVERRUNNING.set(too_long)
    for kind, count in counts.items():
        HEARTBEATS.labels(kind).set(count)
    return sum(counts.values())


async def measure_redis(link: RedisLink) -> None:
    """Update the gauges of Redis; while it is away they keep their values."""
    try:
        memory = await memory_of(link)
    except RedisAway:
        return
    REDIS_USED.set(memory.used)
    REDIS_MOST.set(memory.most)


def _age(since: datetime | None, now: datetime) -> float:
    return 0.0 if since is None else (now - since).total_seconds()
