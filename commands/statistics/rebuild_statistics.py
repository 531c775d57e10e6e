"""Count all runs that are kept anew, as the statistics of a service."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from msgspec import Struct

from domain.errors import NotFound
from storage.postgres.pooler import bounding_transaction
from storage.postgres.pools import Database, Driver
from storage.schema.partitions import first_day, partitions_held
from storage.services.statistics import (
    RunsToCount,
    aggregate_events,
    clear_stats,
    count_runs,
    sole_writer,
)
from storage.sql import statement

RUNS_AT_ONCE = 20_000
_Key = tuple[UUID, datetime, int]
# Before the first run, and after the last, in the order of their key.
_START = (UUID(int=0), datetime.min.replace(tzinfo=UTC), -1)
_END = (UUID(int=(1 << 128) - 1), datetime.max.replace(tzinfo=UTC), 0)

_KNOWN = "SELECT EXISTS (SELECT FROM services WHERE id = $1)"

_LAST_OF_NEXT = statement("stats/last_of_next")


class RebuildStats(Struct, frozen=True, kw_only=True):
    """Attributes:
    at_once: Runs of a portion.
    """

    service_id: UUID
    now: datetime
    at_once: int = RUNS_AT_ONCE


async def services_to_rebuild(database: Database) -> list[UUID]:
    """Every service, in order."""
    async with database.driver() as driver:
        return [row["id"] for row in await driver.fetch("SELECT id FROM services ORDER BY id")]


async def rebuild_stats(command: RebuildStats, database: Database) -> None:
    """Make the service's statistics what its runs tell; all or nothing, and safe to repeat.

    Buckets that began before the first day whose runs are all kept stay as they are.

    Raises:
        NotFound: When there is no such service.
    """
    # The locks come before the snapshot. In it, every run that has ended is either counted
    # already, or its event waits; those that end later wait with their events.
    async with (
        database.driver() as driver,
        sole_writer(driver),
        partitions_held(driver),
        driver.transaction(isolation="repeatable_read"),
    ):
        # Sketches of many runs are merged between two statements, and nobody waits for these rows.
        await driver.execute("SET LOCAL idle_in_transaction_session_timeout = '60s'")
        await driver.execute(f"SELECT {bounding_transaction('0')}")
        if not await driver.fetchval(_KNOWN, command.service_id):
            raise NotFound(f"There is no service {command.service_id}.")
        while (await aggregate_events(driver, command.now)).more:
            pass
        first = await _first_instant(driver)
        await clear_stats(driver, command.service_id, first)
        await _count_runs(driver, command, first)


async def _count_runs(driver: Driver, command: RebuildStats, first: datetime) -> None:
    after = _START
    while after != _END:
        to = await _last_of_next(driver, command, after)
        runs = RunsToCount(service_id=command.service_id, first=first, after=after, to=to)
        await count_runs(driver, command.now, runs)
        after = to


async def _last_of_next(driver: Driver, command: RebuildStats, after: _Key) -> _Key:
    job_id, fire_time, generation = after
    last = await _LAST_OF_NEXT.fetchrow(
        driver,
        service_id=command.service_id,
        job_id=job_id,
        fire_time=fire_time,
        generation=generation,
        skipped=command.at_once - 1,
    )
    if last is None:
        return _END
    return last["job_id"], last["scheduled_for"], last["generation"]


async def _first_instant(driver: Driver) -> datetime:
    """From when on all runs are kept: of the first day, some may have been due the day before."""
    day = await first_day(driver, "runs")
    if day is None:
        return datetime.min.replace(tzinfo=UTC)
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
