"""Work of the minute clock; every piece may run twice at once without harm.

What is old is reckoned from what the clock of the database shows.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from storage.fire_quotas import forget_fire_counts
from storage.heartbeats import database_now, forget_lapsed_processes
from storage.partitions import drop_partitions, make_partitions
from storage.retention import note_kept_from
from storage.stats import forget_stats
from storage.traces import forget_traces

if TYPE_CHECKING:
    from storage.shards import Shard

log = structlog.get_logger()
FORGET_AFTER = timedelta(hours=1)
STATS_KEPT = timedelta(days=400)
"""Longer than any run: last year can be compared with this one."""


async def keep_partitions(shard: Shard, retention: timedelta) -> None:
    """Make partitions ahead, and drop those whose rows are all older than `retention`.

    Which traces runs of then belonged to is forgotten with them.
    """
    async with shard.database.driver() as driver:
        now = await database_now(driver)
        made = await make_partitions(driver, now.date())
        kept_from = min((now - retention).date(), now.date())
        await note_kept_from(driver, kept_from)
        dropped = await drop_partitions(driver, kept_from)
        await forget_traces(driver, now - retention)
    if made or dropped:
        log.info("partitions.kept", made=made, dropped=dropped)


async def forget_processes(shard: Shard) -> None:
    """Remove the rows of processes that stopped beating long ago; nothing is held by them."""
    async with shard.database.driver() as driver:
        await forget_lapsed_processes(driver, FORGET_AFTER)


async def forget_past_minutes(shard: Shard) -> None:
    """Forget how many runs rang in minutes that are over."""
    async with shard.database.driver() as driver:
        await forget_fire_counts(driver, await database_now(driver) - FORGET_AFTER)


async def forget_old_stats(shard: Shard) -> None:
    """Delete statistics of long ago."""
    async with shard.database.driver() as driver:
        forgotten = await forget_stats(driver, await database_now(driver) - STATS_KEPT)
    if forgotten:
        log.info("stats.forgotten", buckets=forgotten)
