"""The Dramatiq actors of housekeeping. The clock enqueues them; any worker process runs them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import dramatiq
import structlog
from dramatiq import BrokerError
from redis.exceptions import RedisError

from storage.error_kinds import kind_of
from storage.postgres.clock_offset import read_clocks
from storage.postgres.pools import UNREACHABLE
from storage.queue.broker import AGGREGATE_ACTOR
from storage.shards import Shard
from workers.housekeeping import retention
from workers.housekeeping.aggregation import aggregate_all
from workers.housekeeping.schedule import declare
from workers.housekeeping.sweep import Sweep

log = structlog.get_logger()
LONGEST_SECONDS = 50.0
"""A thread waits 50 s at most for a chore; the chore goes on."""


class Resources:
    """What the actors of this process work with; the lifecycle middleware sets it."""

    shard: Shard
    sweep: Sweep
    retention: timedelta


resources = Resources()
_under_way: set[asyncio.Future[object]] = set()


async def keep_partitions() -> None:
    """Make partitions ahead, and drop old ones."""
    await _chore(
        "keep_partitions", lambda _: retention.keep_partitions(resources.shard, resources.retention)
    )


async def forget_processes() -> None:
    """Remove the rows of processes that ended long ago."""
    await _chore("forget_processes", lambda _: retention.forget_processes(resources.shard))


async def forget_old_stats() -> None:
    """Delete old statistics."""
    await _chore("forget_old_stats", lambda _: retention.forget_old_stats(resources.shard))


async def forget_past_minutes() -> None:
    """Delete the counts of fires of past minutes."""
    await _chore("forget_past_minutes", lambda _: retention.forget_past_minutes(resources.shard))


async def rescue_runs() -> None:
    """Free the runs of processes that died."""
    await _chore("rescue_runs", resources.sweep.rescue)


async def resend_runs() -> None:
    """Dispatch runs again whose message was lost."""
    await _chore("resend_runs", resources.sweep.resend)


async def aggregate_run_events() -> None:
    """Count ended runs in the statistics."""
    await _chore("aggregate_run_events", lambda now: aggregate_all(resources.shard.database, now))


CHORES = {
    "keep_partitions": keep_partitions,
    "forget_processes": forget_processes,
    "forget_old_stats": forget_old_stats,
    "forget_past_minutes": forget_past_minutes,
    "rescue_runs": rescue_runs,
    "resend_runs": resend_runs,
    AGGREGATE_ACTOR: aggregate_run_events,
}


def declare_housekeeping(broker: dramatiq.Broker) -> None:
    """Register the actors."""
    for name, chore in CHORES.items():
        declare(broker, name, chore)


async def _chore(name: str, work: Callable[[datetime], Awaitable[object]]) -> None:
    """Do a chore, unless the clock of this process is wrong or a server is away.

    It is left out then: other processes do it, or the next minute does.
    """
    if trouble := resources.shard.database.clock.trouble(read_clocks()):
        log.warning("housekeeping.left_out", work=name, clock=trouble)
        return
    working = asyncio.ensure_future(work(datetime.now(UTC)))
    _under_way.add(working)
    working.add_done_callback(_under_way.discard)
    done, _ = await asyncio.wait([working], timeout=LONGEST_SECONDS)
    if not done:
        raise TimeoutError
    try:
        working.result()
    except (*UNREACHABLE, RedisError, BrokerError) as error:
        log.warning("housekeeping.failed", work=name, error=kind_of(error))
