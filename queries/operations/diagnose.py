"""What a deployment's PostgreSQL says of itself, as `tocsin doctor` asks it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

import asyncpg
from msgspec import Struct

from domain.schedules.clocks.zones import VERSION
from storage.jobs.zone_tables import OtherTables, others, version_of_jobs
from storage.postgres.heartbeats import MeasuredClock, living, measured_clocks
from storage.postgres.pools import Driver
from storage.runs.oldest_claimable import oldest_unclaimed, oldest_untaken
from storage.runs.overrunning import overrunning
from storage.schema.partitions import last_days

_SETTINGS = """
SELECT name, setting FROM pg_settings
WHERE name IN ('server_version', 'server_version_num', 'fsync', 'full_page_writes',
    'synchronous_commit', 'synchronous_standby_names', 'max_connections',
    'superuser_reserved_connections')
"""
_NOW = "SELECT extract(epoch FROM clock_timestamp())::float8"
_CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
_FLUSHED = "SELECT (pg_current_wal_flush_lsn() - '0/0')::bigint"
_REPLAYED = "SELECT (pg_last_wal_replay_lsn() - '0/0')::bigint"
# As processes note it (storage.cache.consistency_tokens), so that a replica has it when it has replayed that.
_TIMELINE = "SELECT coalesce(max(id), 0) FROM timelines"


class ServerFacts(Struct, frozen=True, kw_only=True):
    """One server.

    Attributes:
        skew: How much its clock is ahead of this machine's, in seconds.
        doubt: How far that may be wrong: half of what it took to ask.
    """

    settings: Mapping[str, str]
    connections: int
    in_recovery: bool
    skew: float
    doubt: float


class Work(Struct, frozen=True, kw_only=True):
    """What is to be done, and by whom.

    Attributes:
        living: Processes that beat, by kind.
        overrunning: Runs that ring for longer than their time-out allows.
        clocks: How far those of these processes are off, the worst first.
        zones_of_jobs: The newest tables of time zones that jobs are reckoned by.
        other_zones: Processes that reckon by others than this one would.
        partitions: The last day that each table has a partition for, without a gap from today.
    """

    living: Mapping[str, int]
    clocks: Sequence[MeasuredClock]
    unclaimed_since: datetime | None
    untaken_since: datetime | None
    overrunning: int
    partitions: Mapping[str, date | None]
    zones_of_jobs: str | None
    other_zones: Sequence[OtherTables]


async def server_facts(driver: Driver) -> ServerFacts:
    """Ask a server, primary or replica."""
    skew, doubt = await _skew(driver)
    rows = await driver.fetch(_SETTINGS)
    return ServerFacts(
        settings={row["name"]: row["setting"] for row in rows},
        connections=await driver.fetchval(_CONNECTIONS),
        in_recovery=await driver.fetchval("SELECT pg_is_in_recovery()"),
        skew=skew,
        doubt=doubt,
    )


async def work(driver: Driver, now: datetime) -> Work:
    """Ask the primary."""
    return Work(
        living=await living(driver),
        clocks=await measured_clocks(driver),
        unclaimed_since=await oldest_unclaimed(driver, now),
        untaken_since=await oldest_untaken(driver, now),
        overrunning=await overrunning(driver, now),
        partitions=await last_days(driver, now.date()),
        zones_of_jobs=await version_of_jobs(driver),
        other_zones=await others(driver, VERSION),
    )


class WalPlace(NamedTuple):
    """How far a server is. Bytes of different timelines do not compare."""

    timeline: int
    bytes: int


async def flushed(driver: Driver) -> WalPlace:
    """What the primary has written of its WAL."""
    written: int = await driver.fetchval(_FLUSHED)
    return WalPlace(await _timeline(driver), written)


async def replayed(driver: Driver) -> WalPlace:
    """What a replica has replayed of it."""
    position: int | None = await driver.fetchval(_REPLAYED)
    return WalPlace(await _timeline(driver), position or 0)


async def _timeline(driver: Driver) -> int:
    try:
        timeline: int = await driver.fetchval(_TIMELINE)
    except asyncpg.UndefinedTableError:  # nothing is migrated yet
        return 0
    return timeline


async def _skew(driver: Driver) -> tuple[float, float]:
    """The best of three: the quickest answer is the least in doubt."""
    found = []
    for _ in range(3):
        asked = time.time()
        theirs: float = await driver.fetchval(_NOW)
        answered = time.time()
        found.append(((answered - asked) / 2, theirs - (asked + answered) / 2))
    doubt, skew = min(found)
    return skew, doubt


def days_ahead(last: date | None, today: date) -> int:
    """How many days after today have their partition; -1 when today has none."""
    return -1 if last is None else (last - today) // timedelta(days=1)
