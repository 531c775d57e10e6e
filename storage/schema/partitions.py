"""Daily partitions: made ahead, dropped when their time to be kept is over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, time, timedelta

import asyncpg

from storage.postgres.pools import Driver
from storage.sql import statement

PARTITIONED = {
    "runs": "scheduled_for",
    "attempts": "scheduled_for",
    "ledger": "last",
    "audit": "at",
}
# What of the default partitions has had its time.
_EXPIRE = [statement(f"retention/expire_{table}") for table in PARTITIONED]
_FORGET_LOCKS = statement("retention/forget_locks")
# Those that Postgres computes are not written.
_WRITTEN_COLUMNS = """
SELECT string_agg(attname, ', ') FROM pg_attribute
WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
"""
_IS_ANY_OPEN = statement("retention/is_any_open")
DAYS_AHEAD = 7
DAYS_AT_ONCE = 3
"""No more are dropped by one call: a clock or a setting that is wrong is noticed in time."""
MAKE_LOCK = "5s"
DROP_LOCK = "500ms"
"""Less than Postgres's `deadlock_timeout`, so that others never deadlock with a drop."""
DROP_TRIES = 5
DROP_PAUSE_SECONDS = 1.0
_DAY = timedelta(days=1)
_ADVISORY_LOCK = 0x70C51


async def make_partitions(driver: Driver, today: date) -> list[str]:
    """Make yesterday's to next week's partitions where they are missing.

    Returns:
        The names of those that were made.
    """
    wanted = [today + _DAY * offset for offset in range(-1, DAYS_AHEAD + 1)]
    existing = await _existing(driver)
    return [
        _name(table, day)
        for table in PARTITIONED
        for day in wanted
        if _name(table, day) not in existing and await _make(driver, table, day)
    ]


async def drop_partitions(driver: Driver, before: date) -> list[str]:
    """Drop the partitions of days before `before`, and empty the default ones of such rows.

    A day with a run that is still open is kept, in all tables.

    Args:
        before: Of more than `DAYS_AT_ONCE` such days, the oldest are dropped.

    Returns:
        The names of those that were dropped.
    """
    days = {day for name in await _existing(driver) if (day := _day(name)) and day < before}
    dropped: list[str] = []
    count = 0
    for day in sorted(days):
        if count == DAYS_AT_ONCE:
            before = day
            break
        names = await _drop_in_tries(driver, day)
        count += bool(names)
        dropped += names
    for expire in _EXPIRE:
        # Rare: rows that no daily partition was there for, such as those of old backfills.
        async with _alone(driver):
            await expire.execute(driver, before=_midnight(before))
    await _FORGET_LOCKS.execute(driver, before=_midnight(before))
    return dropped


async def first_day(driver: Driver, table: str) -> date | None:
    """The day of the oldest partition that a table has."""
    days = [_day(name) for name in await _existing(driver) if name.rpartition("_")[0] == table]
    return min(filter(None, days), default=None)


async def last_days(driver: Driver, today: date) -> dict[str, date | None]:
    """Of each table, the last day that has a partition, as far as there is no gap from today."""
    existing = await _existing(driver)
    return {table: _last_day(existing, table, today) for table in PARTITIONED}


def _last_day(existing: set[str], table: str, today: date) -> date | None:
    last, day = None, today
    while _name(table, day) in existing:
        last, day = day, day + _DAY
    return last


@asynccontextmanager
async def partitions_held(driver: Driver) -> AsyncIterator[None]:
    """Have nobody make or drop partitions during a long read.

    Who waits for its end to drop one would make everyone else wait, too.
    """
    await driver.execute("SELECT pg_advisory_lock_shared($1)", _ADVISORY_LOCK)
    try:
        yield
    finally:
        await driver.execute("SELECT pg_advisory_unlock_shared($1)", _ADVISORY_LOCK)


@asynccontextmanager
async def _alone(driver: Driver, lock_timeout: str = MAKE_LOCK) -> AsyncIterator[None]:
    """A transaction in which no other session makes or drops partitions."""
    async with driver.transaction():
        await driver.execute("SELECT pg_advisory_xact_lock($1)", _ADVISORY_LOCK)
        # Who waits for a table blocks everyone behind: better to give up and come again.
        await driver.execute(f"SET LOCAL lock_timeout = '{lock_timeout}'")
        yield


async def _make(driver: Driver, table: str, day: date) -> bool:
    name, column = _name(table, day), PARTITIONED[table]
    start, end = _midnight(day), _midnight(day + _DAY)
    async with _alone(driver):
        if await _exists(driver, name):
            return False
        await driver.execute(f"CREATE TABLE {name} (LIKE {table} INCLUDING ALL)")
        columns = await driver.fetchval(_WRITTEN_COLUMNS, table)
        # No writer may be on its way into the default partition while rows move out of it.
        await driver.execute(f"LOCK TABLE ONLY {table} IN SHARE ROW EXCLUSIVE MODE")
        await driver.execute(
            f"WITH moved AS (DELETE FROM {table}_default WHERE {column} >= $1 AND {column} < $2"
            f" RETURNING *) INSERT INTO {name} ({columns}) SELECT {columns} FROM moved",
            start,
            end,
        )
        if table == "runs":
            # Room for a run to be taken and begun in its own page (HOT updates): where that is
            # full, each of the two is written into every index, which takes more than the room.
            await driver.execute(f"ALTER TABLE {name} SET (fillfactor = 35)")
        await driver.execute(
            f"ALTER TABLE {table} ATTACH PARTITION {name}"
            f" FOR VALUES FROM ('{start.isoformat()}') TO ('{end.isoformat()}')"
        )
    return True


async def _drop_in_tries(driver: Driver, day: date) -> list[str]:
    for tries_left in reversed(range(DROP_TRIES)):
        try:
            return await _drop(driver, day)
        except asyncpg.LockNotAvailableError:
            if not tries_left:
                raise
            await asyncio.sleep(DROP_PAUSE_SECONDS)
    return []


async def _drop(driver: Driver, day: date) -> list[str]:
    """Drop a day of all tables, unless one of its runs is still open."""
    async with _alone(driver, DROP_LOCK):
        # Whoever is about to write a run of that day has done so then, or comes too late. Runs
        # come first, as for those who fire.
        for table in PARTITIONED:
            await driver.execute(f"LOCK TABLE ONLY {table} IN ACCESS EXCLUSIVE MODE")
        if await _IS_ANY_OPEN.fetchval(driver, start=_midnight(day), end=_midnight(day + _DAY)):
            return []
        names = [_name(table, day) for table in PARTITIONED]
        there = [name for name in names if await _exists(driver, name)]
        if there:
            await driver.execute(f"DROP TABLE {', '.join(there)}")
    return there


async def _exists(driver: Driver, name: str) -> bool:
    return bool(await driver.fetchval("SELECT to_regclass($1) IS NOT NULL", name))


async def _existing(driver: Driver) -> set[str]:
    rows = await driver.fetch(
        "SELECT relname::text AS name FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid"
        " WHERE inhparent = ANY($1::text[]::regclass[])",
        list(PARTITIONED),
    )
    return {row["name"] for row in rows}


def _name(table: str, day: date) -> str:
    return f"{table}_{day:%Y%m%d}"


def _day(name: str) -> date | None:
    suffix = name.rpartition("_")[2]
    return datetime.strptime(suffix, "%Y%m%d").date() if suffix.isdigit() else None  # noqa: DTZ007


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
