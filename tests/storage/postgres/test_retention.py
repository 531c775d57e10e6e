"""What is dropped, and what is not: a run that was accepted, or too much at once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from storage.postgres.heartbeats import database_now
from storage.postgres.pools import Database
from storage.schema.migrate import migrate
from storage.schema.partitions import DAYS_AT_ONCE
from storage.schema.retention import MARGIN, expiring_days, note_kept_from
from storage.shards import Shard
from storage.urls import ShardUrls
from tests.storage.postgres.test_partitions import (
    DAY,
    drop,
    make,
    named,
    partitions,
    places,
    write_run,
)
from workers.housekeeping.retention import keep_partitions

NOW = datetime.now(UTC).replace(hour=15)
TODAY = NOW.date()
OLD = NOW - DAY


@pytest.fixture
async def migrated(database: Database) -> Database:
    """A database with the partitions of today."""
    await migrate(database, NOW)
    return database


async def someone_waits(connection: asyncpg.Connection) -> None:
    """Wait until another session waits for a lock that this one has."""
    mine = await connection.fetchval("SELECT pg_backend_pid()")
    waiting = "SELECT EXISTS (SELECT FROM pg_locks WHERE $1 = ANY (pg_blocking_pids(pid)))"
    async with asyncio.timeout(10):
        while not await connection.fetchval(waiting, mine):  # noqa: ASYNC110 (Postgres tells none)
            await asyncio.sleep(0.01)


@pytest.mark.promise("retention")
async def test_a_run_that_is_accepted_while_its_day_is_dropped_is_kept(migrated: Database):
    """As a replay or a claim writes it: it has not committed when the drop begins."""
    await write_run(migrated, OLD)
    accepting = await asyncpg.connect(migrated.primary_url)
    transaction = accepting.transaction()
    await transaction.start()
    await accepting.execute(
        "INSERT INTO runs (service_id, job_id, scheduled_for, id, due_at, trigger, state, open,"
        " attempt_count) SELECT service_id, job_id, scheduled_for, gen_random_uuid(), due_at,"
        " 'replay', 'scheduled', true, 0 FROM runs ON CONFLICT DO NOTHING"
    )
    await accepting.execute("UPDATE runs SET open = true, state = 'scheduled', finished_at = NULL")
    dropping = asyncio.create_task(drop(migrated, TODAY))
    await someone_waits(accepting)
    await transaction.commit()
    assert await dropping == []
    assert await places(migrated, "runs") == [f"runs_{TODAY - DAY:%Y%m%d}"]
    assert named(TODAY - DAY) < await partitions(migrated)
    await accepting.close()


@pytest.mark.promise("retention")
async def test_no_more_than_a_few_days_are_dropped_at_once(migrated: Database):
    for days_ago in range(10):
        await make(migrated, TODAY - days_ago * DAY)
    long_ago = NOW - 100 * DAY
    await write_run(migrated, long_ago, finished_at=NOW - 5 * DAY)
    dropped = await drop(migrated, TODAY)
    assert set(dropped) == named(*(TODAY - n * DAY for n in range(8, 11)))
    assert len(dropped) == DAYS_AT_ONCE * len(named(TODAY))
    assert await places(migrated, "runs") == ["runs_default"]
    while await drop(migrated, TODAY):
        pass
    assert named(TODAY) < await partitions(migrated)
    assert not named(TODAY - DAY) & await partitions(migrated)
    assert await places(migrated, "runs") == []


async def test_a_day_that_is_kept_does_not_keep_later_ones(migrated: Database):
    for days_ago in range(DAYS_AT_ONCE + 2):
        await make(migrated, TODAY - days_ago * DAY)
    for days_ago in range(2, DAYS_AT_ONCE + 2):
        await write_run(migrated, NOW - days_ago * DAY)
    async with migrated.driver() as driver:
        await driver.execute("UPDATE runs SET open = true, finished_at = NULL")
    assert set(await drop(migrated, TODAY)) == named(TODAY - (DAYS_AT_ONCE + 2) * DAY, TODAY - DAY)


async def test_retention_is_reckoned_from_the_databases_day(migrated: Database, urls: ShardUrls):
    shard = Shard(ShardUrls(primary=migrated.primary_url, redis=urls.redis))
    await make(migrated, TODAY - 3 * DAY)
    await keep_partitions(shard, 2 * DAY)
    async with migrated.driver() as driver:
        today = (await database_now(driver)).date()
        assert await driver.fetchval("SELECT kept_from FROM retention") == today - 2 * DAY
    there = await partitions(migrated)
    assert named(today - 2 * DAY) < there
    assert not named(today - 3 * DAY) & there
    await keep_partitions(shard, timedelta())
    assert named(today) < await partitions(migrated)
    await shard.close()


async def test_days_that_are_dropped_soon_are_known(migrated: Database):
    midnight = NOW.replace(hour=0, minute=0, second=0, microsecond=0)
    async with migrated.driver() as driver:
        assert await expiring_days(driver) is None
        await note_kept_from(driver, TODAY - 30 * DAY)
        assert await expiring_days(driver) is None
        await note_kept_from(driver, TODAY - DAY)
        expiring = await expiring_days(driver)
        assert (expiring.start, expiring.until) == (midnight - DAY, midnight)
        assert midnight - timedelta(microseconds=1) in expiring
        assert midnight not in expiring
        longer = await expiring_days(driver, MARGIN + timedelta(hours=30))
        assert longer.until == midnight + DAY
