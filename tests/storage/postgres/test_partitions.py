"""Daily partitions."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest

from storage.postgres.pools import Database
from storage.schema.migrate import migrate
from storage.schema.partitions import DAYS_AHEAD, PARTITIONED, drop_partitions, make_partitions

NOW = datetime(2031, 5, 10, 15, tzinfo=UTC)
TODAY = NOW.date()
DAY = timedelta(days=1)
LATER = TODAY + 30 * DAY


@pytest.fixture
async def migrated(database: Database) -> Database:
    """A database with the partitions that `NOW` needs."""
    await migrate(database, NOW)
    return database


async def write_run(
    database: Database, at: datetime, *, finished_at: datetime | None = None
) -> None:
    """A run that ended at its fire time, or else at another instant."""
    async with database.driver() as driver:
        await driver.execute(
            "INSERT INTO runs (service_id, job_id, scheduled_for, id, due_at, trigger, state, open,"
            " attempt_count, finished_at)"
            " VALUES ($1, $1, $2, $1, $2, 'manual', 'succeeded', false, 1, $3)",
            uuid4(),
            at,
            finished_at or at,
        )


async def open_runs(database: Database) -> None:
    """Have all runs still under way."""
    async with database.driver() as driver:
        await driver.execute("UPDATE runs SET open = true, state = 'running', finished_at = NULL")


async def write_audit(database: Database, at: datetime) -> None:
    async with database.driver() as driver:
        await driver.execute(
            "INSERT INTO audit (service_id, at, id, principal, action, object_id, request_id,"
            " details) VALUES ($1, $2, $1, 'key:x', 'job.created', $1, 'r', '{}')",
            uuid4(),
            at,
        )


async def places(database: Database, table: str) -> list[str]:
    """The partition that each row of a table lies in."""
    async with database.driver() as driver:
        rows = await driver.fetch(f"SELECT tableoid::regclass::text AS place FROM {table}")
    return sorted(row["place"] for row in rows)


async def partitions(database: Database) -> set[str]:
    async with database.driver() as driver:
        rows = await driver.fetch(
            "SELECT inhrelid::regclass::text AS name FROM pg_inherits"
            " JOIN pg_class ON pg_class.oid = inhparent WHERE relkind = 'p'"
        )
    return {row["name"] for row in rows}


async def make(database: Database, today: date) -> list[str]:
    async with database.driver() as driver:
        return await make_partitions(driver, today)


async def all_of(*works: Awaitable[object]) -> None:
    """Do them at once, and fail when all have ended and any has failed."""
    ended = await asyncio.gather(*works, return_exceptions=True)
    assert [one for one in ended if isinstance(one, BaseException)] == []


async def drop(database: Database, before: date) -> list[str]:
    async with database.driver() as driver:
        return await drop_partitions(driver, before)


def named(*days: date) -> set[str]:
    return {f"{table}_{day:%Y%m%d}" for table in PARTITIONED for day in days}


DEFAULTS = {f"{table}_default" for table in PARTITIONED}


async def test_yesterday_to_next_week_are_made_ahead(migrated: Database):
    days = [TODAY + n * DAY for n in range(-1, DAYS_AHEAD + 1)]
    assert await partitions(migrated) == named(*days) | DEFAULTS


async def test_the_next_day_makes_one_more_of_each_and_the_same_day_none(migrated: Database):
    assert await make(migrated, TODAY) == []
    assert set(await make(migrated, TODAY + DAY)) == named(TODAY + (DAYS_AHEAD + 1) * DAY)


async def test_a_row_lies_in_the_partition_of_its_day_in_utc(migrated: Database):
    await write_run(migrated, datetime(2031, 5, 11, tzinfo=UTC) - timedelta(microseconds=1))
    await write_run(migrated, datetime(2031, 5, 11, tzinfo=UTC))
    assert await places(migrated, "runs") == ["runs_20310510", "runs_20310511"]


async def test_rows_that_came_before_their_partition_are_moved_into_it(migrated: Database):
    at = NOW + 30 * DAY
    for write in (write_run, write_audit):
        await write(migrated, at)
        await write(migrated, at + 100 * DAY)
    assert await places(migrated, "runs") == ["runs_default"] * 2
    await make(migrated, LATER)
    assert await places(migrated, "runs") == [f"runs_{LATER:%Y%m%d}", "runs_default"]
    assert await places(migrated, "audit") == [f"audit_{LATER:%Y%m%d}", "audit_default"]


async def test_a_new_partition_still_lets_a_run_exist_only_once(migrated: Database):
    await make(migrated, LATER)
    await write_run(migrated, NOW + 30 * DAY)
    written = "service_id, job_id, scheduled_for, id, due_at, trigger, state, open, attempt_count"
    async with migrated.driver() as driver:
        with pytest.raises(asyncpg.UniqueViolationError):
            await driver.execute(
                f"INSERT INTO runs ({written}) SELECT {written} FROM runs_{LATER:%Y%m%d}"
            )


async def test_runs_leave_room_in_their_pages_for_changes_of_state(migrated: Database):
    async with migrated.driver() as driver:
        options = await driver.fetchval(
            "SELECT reloptions FROM pg_class WHERE relname = $1", f"runs_{TODAY:%Y%m%d}"
        )
    assert options == ["fillfactor=35"]


async def test_old_partitions_are_dropped_and_old_rows_of_the_default_ones_deleted(
    migrated: Database,
):
    long_ago = NOW - 100 * DAY
    for at in (NOW - DAY, NOW, long_ago, NOW + 100 * DAY):
        await write_run(migrated, at)
        await write_audit(migrated, at)
    assert set(await drop(migrated, TODAY)) == named(TODAY - DAY)
    assert not await partitions(migrated) & named(TODAY - DAY)
    for table in ("runs", "audit"):
        assert await places(migrated, table) == [f"{table}_{TODAY:%Y%m%d}", f"{table}_default"]


async def test_a_run_that_is_still_open_is_not_dropped_however_old_its_fire_time(
    migrated: Database,
):
    for at in (NOW - DAY, NOW - 100 * DAY):
        await write_run(migrated, at)
    await open_runs(migrated)
    assert await drop(migrated, TODAY) == []
    assert named(TODAY - DAY) < await partitions(migrated)
    assert len(await places(migrated, "runs")) == 2


async def test_a_backfills_run_is_kept_from_its_end_on(migrated: Database):
    await write_run(migrated, NOW - 100 * DAY, finished_at=NOW)
    await drop(migrated, TODAY)
    assert await places(migrated, "runs") == ["runs_default"]


@pytest.mark.promise("retention")
async def test_nothing_is_dropped_that_is_to_be_kept(migrated: Database):
    before = await partitions(migrated)
    assert await drop(migrated, TODAY - DAY) == []
    assert await partitions(migrated) == before


async def test_making_at_once_is_harmless(migrated: Database):
    for n in range(5):
        await write_run(migrated, NOW + (30 + n) * DAY)
    await all_of(*(make(migrated, LATER) for _ in range(4)))
    wanted = named(*(LATER + n * DAY for n in range(-1, DAYS_AHEAD + 1)))
    assert wanted <= await partitions(migrated)
    assert await places(migrated, "runs") == sorted(
        f"runs_{LATER + n * DAY:%Y%m%d}" for n in range(5)
    )


async def test_dropping_at_once_is_harmless(migrated: Database):
    await all_of(*(drop(migrated, TODAY + 2 * DAY) for _ in range(4)))
    days = [TODAY + n * DAY for n in range(2, DAYS_AHEAD + 1)]
    assert await partitions(migrated) == named(*days) | DEFAULTS


async def test_making_and_dropping_at_once_is_harmless(migrated: Database):
    for n in range(-1, 3):
        await write_run(migrated, NOW + n * DAY)
    await all_of(
        *(make(migrated, LATER) for _ in range(2)), *(drop(migrated, TODAY + DAY) for _ in range(2))
    )
    assert await places(migrated, "runs") == ["runs_20310511", "runs_20310512"]
    assert named(LATER, LATER + DAY) <= await partitions(migrated)


async def test_runs_that_are_written_meanwhile_are_in_their_partitions_at_last(
    migrated: Database,
):
    days = [NOW + n * DAY for n in range(29, 38)]
    writes = [write_run(migrated, at) for at in days for _ in range(5)]
    await all_of(make(migrated, LATER), *writes)
    assert await places(migrated, "runs") == sorted(
        f"runs_{at:%Y%m%d}" for at in days for _ in range(5)
    )
