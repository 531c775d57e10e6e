"""Count all runs that are kept anew, as the statistics of a service."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from msgspec import Struct

from domain.errors import NotFound
from storage.partitions import first_day, partitions_held
from storage.pooled import bounding_transaction
from storage.postgres import Database, Driver
from storage.run_events import ENDED
from storage.stats import JOB_STATS, SERVICE_STATS, fold, fold_events, folding, sole_writer

RUNS_AT_ONCE = 20_000
# Before the first run, and after the last, in the order of their key.
_START = (UUID(int=0), datetime.min.replace(tzinfo=UTC), -1)
_END = (UUID(int=(1 << 128) - 1), datetime.max.replace(tzinfo=UTC), 0)

_KNOWN = "SELECT EXISTS (SELECT FROM services WHERE id = $1)"

_LAST_OF_NEXT = """
SELECT job_id, scheduled_for, generation FROM runs
WHERE service_id = $1 AND (job_id, scheduled_for, generation) > ($2, $3, $4)
ORDER BY job_id, scheduled_for, generation
LIMIT 1 OFFSET $5
"""

_FOLD_RUNS = folding(f"""
ended AS (
    SELECT {ENDED} FROM runs
    WHERE service_id = $2 AND NOT open AND finished_at >= $3
        AND (job_id, scheduled_for, generation) > ($4, $5, $6)
        AND (job_id, scheduled_for, generation) <= ($7, $8, $9)
)
""")


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
        while (await fold_events(driver, command.now)).more:
            pass
        first = await _first_instant(driver)
        for table, _, span in (JOB_STATS, SERVICE_STATS):
            await driver.execute(
                f"DELETE FROM {table} WHERE service_id = $1 AND {span} >= $2",
                command.service_id,
                first,
            )
        await _fold_runs(driver, command, first)


async def _fold_runs(driver: Driver, command: RebuildStats, first: datetime) -> None:
    start = _START
    while start != _END:
        last = await driver.fetchrow(_LAST_OF_NEXT, command.service_id, *start, command.at_once - 1)
        end = _END if last is None else tuple(last)
        await fold(driver, _FOLD_RUNS, command.now, command.service_id, first, *start, *end)
        start = end


async def _first_instant(driver: Driver) -> datetime:
    """From when on all runs are kept: of the first day, some may have been due the day before."""
    day = await first_day(driver, "runs")
    if day is None:
        return datetime.min.replace(tzinfo=UTC)
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
