"""Statistics of ended runs, in buckets: a job's by the day, a service's by the hour, in UTC."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg
from msgspec import Struct

from domain.runs.sketch import BINS_PER_E, LEAST_MS, compacted
from storage.postgres.pools import Driver
from storage.sql import SqlFile, statement

LOOSE = 200
"""A bucket's sketches are made compact when they have grown by so many values."""
EVENTS_AT_ONCE = 500
RUNS_AT_ONCE = 5_000
FORGOTTEN_AT_ONCE = 10_000
# There is one writer at a time: two would wait for each other at the rows of their services.
_ADVISORY_LOCK = 0x70C52

_OLDEST_EVENTS = statement("stats/oldest_events")
_SKETCHING = {"bins_per_e": BINS_PER_E, "least_ms": LEAST_MS, "most_loose": LOOSE}
_AGGREGATE_EVENTS = statement("stats/aggregate_events", **_SKETCHING)
_AGGREGATE_RUNS = statement("stats/aggregate_runs", **_SKETCHING)
_COMPACT_JOBS = statement("stats/compact_job")
_COMPACT_SERVICES = statement("stats/compact_service")
_EXPIRE = (statement("stats/expire_job"), statement("stats/expire_service"))
_CLEAR = (statement("stats/clear_job"), statement("stats/clear_service"))


class Aggregated(NamedTuple):
    """Attributes:
    runs: How many were counted.
    more: Whether events are left.
    """

    runs: int
    more: bool


async def aggregate_events(driver: Driver, now: datetime) -> Aggregated:
    """Count the runs of the oldest events, and delete those; within the transaction of a writer."""
    waiting = await _OLDEST_EVENTS.fetch(driver, most=EVENTS_AT_ONCE)
    taken, runs = [], 0
    for event in waiting:
        if runs >= RUNS_AT_ONCE:
            break
        taken.append(event["id"])
        runs += event["count"]
    if taken:
        await _make_compact(driver, await _AGGREGATE_EVENTS.fetch(driver, now=now, event_ids=taken))
    return Aggregated(runs, more=len(taken) < len(waiting) or len(waiting) == EVENTS_AT_ONCE)


class RunsToCount(Struct, frozen=True, kw_only=True):
    """Ended runs of a service, told apart by job, fire time and generation.

    Attributes:
        first: Those that finished earlier are left out.
        after: The key of the last one before them.
        to: The key of their last.
    """

    service_id: UUID
    first: datetime
    after: tuple[UUID, datetime, int]
    to: tuple[UUID, datetime, int]


async def count_runs(driver: Driver, now: datetime, runs: RunsToCount) -> None:
    """Count runs in their buckets, within the transaction of the writer."""
    loose = await _AGGREGATE_RUNS.fetch(
        driver,
        now=now,
        service_id=runs.service_id,
        first=runs.first,
        after_job_id=runs.after[0],
        after_fire_time=runs.after[1],
        after_generation=runs.after[2],
        to_job_id=runs.to[0],
        to_fire_time=runs.to[1],
        to_generation=runs.to[2],
    )
    await _make_compact(driver, loose)


async def _make_compact(driver: Driver, loose: Sequence[asyncpg.Record]) -> None:
    await _compact(driver, _COMPACT_JOBS, [row for row in loose if row["job_id"]])
    await _compact(driver, _COMPACT_SERVICES, [row for row in loose if not row["job_id"]])


async def _compact(driver: Driver, compact: SqlFile, rows: Sequence[asyncpg.Record]) -> None:
    if rows:
        await compact.execute(
            driver,
            service_ids=[row["service_id"] for row in rows],
            job_ids=[row["job_id"] for row in rows],
            starts=[row["start"] for row in rows],
            latenesses=[compacted(row["lateness"]) for row in rows],
            durations=[compacted(row["duration"]) for row in rows],
            overlap_waits=[compacted(row["overlap_wait"]) for row in rows],
        )


async def may_write(driver: Driver) -> bool:
    """Become the writer until the transaction ends, unless there is one."""
    return bool(await driver.fetchval("SELECT pg_try_advisory_xact_lock($1)", _ADVISORY_LOCK))


@asynccontextmanager
async def sole_writer(driver: Driver) -> AsyncIterator[None]:
    """Be the writer, over several transactions; wait until another has ended."""
    await driver.execute("SELECT pg_advisory_lock($1)", _ADVISORY_LOCK)
    try:
        yield
    finally:
        await driver.execute("SELECT pg_advisory_unlock($1)", _ADVISORY_LOCK)


async def forget_stats(driver: Driver, before: datetime) -> int:
    """Delete buckets that began before an instant, and return how many."""
    count = 0
    for expire in _EXPIRE:
        while gone := await _expired(driver, expire, before):
            count += gone
    return count


async def clear_stats(driver: Driver, service_id: UUID, first: datetime) -> None:
    """Delete a service's buckets from an instant on."""
    for clear in _CLEAR:
        await clear.execute(driver, service_id=service_id, first=first)


async def _expired(driver: Driver, expire: SqlFile, before: datetime) -> int:
    done = await expire.execute(driver, before=before, most=FORGOTTEN_AT_ONCE)
    return int(done.rpartition(" ")[2])
