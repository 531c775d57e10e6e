"""Drops what is old by the clock of the database. Running twice at once does no harm."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from storage.postgres.heartbeats import database_now, forget_lapsed_processes
from storage.schema.partitions import drop_partitions, make_partitions
from storage.schema.retention import note_kept_from
from storage.services.fire_quotas import forget_fire_counts
from storage.services.statistics import forget_stats
from storage.tracing.stored_traces import forget_traces

if TYPE_CHECKING:
    from storage.shards import Shard

log = structlog.get_logger()
FORGET_AFTER = timedelta(hours=1)
STATS_KEPT = timedelta(days=400)
"""Longer than runs are kept, so that a year can be compared with the one before."""


async def keep_partitions(shard: Shard, retention: timedelta) -> None:
    """Make partitions ahead, and drop those whose rows are all older than `retention`.

    The traces of those runs are dropped with them.
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
    """Remove the rows of processes without a heartbeat for 1 h that own nothing."""
    async with shard.database.driver() as driver:
        await forget_lapsed_processes(driver, FORGET_AFTER)


async def forget_past_minutes(shard: Shard) -> None:
    """Delete the counts of runs of past minutes."""
    async with shard.database.driver() as driver:
        await forget_fire_counts(driver, await database_now(driver) - FORGET_AFTER)


async def forget_old_stats(shard: Shard) -> None:
    """Delete statistics older than `STATS_KEPT`."""
    async with shard.database.driver() as driver:
        forgotten = await forget_stats(driver, await database_now(driver) - STATS_KEPT)
    if forgotten:
        log.info("stats.forgotten", buckets=forgotten)
