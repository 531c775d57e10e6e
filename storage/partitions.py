"""Daily partitions: made ahead, dropped when their time to be kept is over."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from storage.postgres import Driver

PARTITIONED = {"runs": "scheduled_for", "attempts": "scheduled_for", "audit": "at"}
DAYS_AHEAD = 7
_DAY = timedelta(days=1)
# One session at a time makes or drops partitions; a second one finds the work done.
_ADVISORY_LOCK = 0x70C51
_LOCK_WAIT = "SET LOCAL lock_timeout = '5s'"


async def make_partitions(driver: Driver[Any], today: date) -> list[str]:
    """Make yesterday's to next week's partitions where they are missing.

    Returns:
        The names of those that were made.
    """
    wanted = [today + _DAY * offset for offset in range(-1, DAYS_AHEAD + 1)]
    existing = await _existing(driver)
    made = []
    for table in PARTITIONED:
        for day in wanted:
            if _name(table, day) not in existing:
                await _make(driver, table, day)
                made.append(_name(table, day))
    return made


async def drop_partitions(driver: Driver[Any], before: date) -> list[str]:
    """Drop the partitions of days before `before`, and empty the default ones of such rows.

    Returns:
        The names of those that were dropped.
    """
    old = [name for name in await _existing(driver) if (day := _day(name)) and day < before]
    for name in old:
        async with driver.transaction():
            await driver.execute(_LOCK_WAIT)
            await driver.execute(f"DROP TABLE IF EXISTS {name}")
    for table, column in PARTITIONED.items():
        # Rare: rows that no daily partition was there for.
        await driver.execute(f"DELETE FROM {table}_default WHERE {column} < $1", _midnight(before))
    return old


async def _make(driver: Driver[Any], table: str, day: date) -> None:
    name, column = _name(table, day), PARTITIONED[table]
    start, end = _midnight(day), _midnight(day + _DAY)
    async with driver.transaction():
        await driver.execute(_LOCK_WAIT)
        await driver.execute("SELECT pg_advisory_xact_lock($1)", _ADVISORY_LOCK)
        if await driver.fetchval("SELECT to_regclass($1) IS NOT NULL", name):
            return
        await driver.execute(f"CREATE TABLE {name} (LIKE {table} INCLUDING ALL)")
        # Attaching would fail on rows of this day that the default partition took in meanwhile.
        await driver.execute(
            f"WITH moved AS (DELETE FROM {table}_default WHERE {column} >= $1 AND {column} < $2"
            f" RETURNING *) INSERT INTO {name} SELECT * FROM moved",
            start,
            end,
        )
        if table == "runs":
            # Room for a run's changes of state in its own page (HOT updates).
            await driver.execute(f"ALTER TABLE {name} SET (fillfactor = 60)")
        await driver.execute(
            f"ALTER TABLE {table} ATTACH PARTITION {name}"
            f" FOR VALUES FROM ('{start.isoformat()}') TO ('{end.isoformat()}')"
        )


async def _existing(driver: Driver[Any]) -> set[str]:
    rows = await driver.fetch(
        "SELECT inhrelid::regclass::text AS name FROM pg_inherits"
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
