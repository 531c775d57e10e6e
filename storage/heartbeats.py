"""Who lives, as the database sees it: each dispatcher and worker touches a row every second.

Heartbeats are written and judged by the clock of the database alone: those of two processes differ.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec import Struct

from storage.clock_offset import read_clocks
from storage.postgres import Database, Driver

LAPSE = timedelta(seconds=6)
"""Without a beat for so long, a process is taken for dead and its runs are rescued."""
KINDS = ("dispatcher", "worker")

# The instant at which the statement came: while it waits, nobody grows older.
BEATS = f"workers.heartbeat_at >= statement_timestamp() - interval '{LAPSE.total_seconds():g} s'"
"""Condition on workers: has not lapsed."""

# The offset is that of the last beat: what this one measures is known when it is answered.
BEAT = """
INSERT INTO workers (id, kind, host, pid, started_at, clock_offset_ms, tzdata, heartbeat_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, clock_timestamp())
ON CONFLICT (id) DO UPDATE
SET heartbeat_at = excluded.heartbeat_at, clock_offset_ms = excluded.clock_offset_ms
RETURNING clock_timestamp()
"""

_LIVING = f"SELECT kind, count(*) AS count FROM workers WHERE {BEATS} GROUP BY kind"
_OFFSETS = f"""
SELECT kind, host, pid, clock_offset_ms AS offset_ms FROM workers
WHERE {BEATS} AND clock_offset_ms IS NOT NULL
ORDER BY abs(clock_offset_ms) DESC, host, pid
"""
_FORGET = """
DELETE FROM workers WHERE heartbeat_at < statement_timestamp() - $1::interval
    AND NOT EXISTS (SELECT FROM runs WHERE open AND held_by = workers.id)
"""


class MeasuredClock(Struct, frozen=True, kw_only=True):
    """How far the clock of a process that beats is ahead of the database's."""

    kind: str
    host: str
    pid: int
    offset_ms: int


async def living(driver: Driver) -> dict[str, int]:
    """How many processes of each kind beat."""
    rows = await driver.fetch(_LIVING)
    return dict.fromkeys(KINDS, 0) | {row["kind"]: row["count"] for row in rows}


async def measured_clocks(driver: Driver) -> list[MeasuredClock]:
    """The clocks of all that beat, the worst first."""
    return [MeasuredClock(**row) for row in await driver.fetch(_OFFSETS)]


async def forget_lapsed_processes(driver: Driver, after: timedelta) -> None:
    """Remove the rows of those that have not beaten for so long, and own nothing."""
    await driver.execute(_FORGET, after)


async def measure_clock(database: Database) -> datetime:
    """Measure the clock of a process that does not beat, and return the database's now."""
    async with database.driver() as driver:
        asked = read_clocks()
        now = await database_now(driver)
        database.clock.measured(asked, now, read_clocks())
    return now


async def database_now(driver: Driver) -> datetime:
    """What the clock of the database shows."""
    now: datetime = await driver.fetchval("SELECT clock_timestamp()")
    return now
