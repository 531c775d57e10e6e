"""Work of the minute clock; every piece may run twice at once without harm."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from storage.fire_quotas import forget_fire_counts
from storage.partitions import drop_partitions, make_partitions
from storage.stats import forget_stats
from storage.traces import forget_traces

if TYPE_CHECKING:
    from storage.shards import Shard

log = structlog.get_logger()
FORGET_AFTER = timedelta(hours=1)
STATS_KEPT = timedelta(days=400)
"""Longer than any run: last year can be compared with this one."""


async def keep_partitions(shard: Shard, now: datetime, retention: timedelta) -> None:
    """Make partitions ahead, and drop those whose rows are all older than `retention`.

    Which traces runs of then belonged to is forgotten with them.
    """
    async with shard.database.driver() as driver:
        made = await make_partitions(driver, now.date())
        dropped = await drop_partitions(driver, (now - retention).date())
        await forget_traces(driver, now - retention)
    if made or dropped:
        log.info("partitions.kept", made=made, dropped=dropped)


async def forget_processes(shard: Shard, now: datetime) -> None:
    """Remove the rows of processes that stopped beating long ago; nothing is held by them."""
    async with shard.database.driver() as driver:
        await driver.execute(
            "DELETE FROM workers WHERE heartbeat_at < $1"
            " AND NOT EXISTS (SELECT FROM runs WHERE open AND held_by = workers.id)",
            now - FORGET_AFTER,
        )


async def forget_past_minutes(shard: Shard, now: datetime) -> None:
    """Forget how many runs rang in minutes that are over."""
    async with shard.database.driver() as driver:
        await forget_fire_counts(driver, now - FORGET_AFTER)


async def forget_old_stats(shard: Shard, now: datetime) -> None:
    """Delete statistics of long ago."""
    async with shard.database.driver() as driver:
        forgotten = await forget_stats(driver, now - STATS_KEPT)
    if forgotten:
        log.info("stats.forgotten", buckets=forgotten)
