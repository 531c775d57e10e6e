"""Who lives, as the database sees it: each dispatcher and worker touches a row every second.

Heartbeats are written and judged by the clock of the database alone: those of two processes differ.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from msgspec import Struct
from msgspec.structs import asdict

from storage.postgres.clock_offset import read_clocks
from storage.postgres.pools import Database, Driver
from storage.sql import statement

LAPSE = timedelta(seconds=6)
"""Without a beat for so long, a process is taken for dead and its runs are rescued."""
KINDS = ("dispatcher", "worker")

_BEAT = statement("processes/beat")

_LIVING = statement("processes/living", lapse=LAPSE)
_OFFSETS = statement("processes/clock_offsets", lapse=LAPSE)
_FORGET = statement("processes/forget_lapsed")
_LEAVE = "DELETE FROM workers WHERE id = $1"


class Beat(Struct, frozen=True, kw_only=True):
    """What a process writes of itself when it beats.

    Attributes:
        clock_offset_ms: How far its clock is ahead of the database's, as far as it knows.
        tzdata: The version of the tables of time zones that it reckons by.
    """

    process_id: UUID
    kind: str
    host: str
    pid: int
    started_at: datetime
    clock_offset_ms: int | None
    tzdata: str


class MeasuredClock(Struct, frozen=True, kw_only=True):
    """How far the clock of a process that beats is ahead of the database's."""

    kind: str
    host: str
    pid: int
    offset_ms: int


async def write_beat(driver: Driver, beat: Beat) -> datetime:
    """Touch the row of a process, and return the database's now."""
    now: datetime = await _BEAT.fetchval(driver, **asdict(beat))
    return now


async def leave(driver: Driver, process_id: UUID) -> None:
    """Remove the row of a process that owns nothing any more."""
    await driver.execute(_LEAVE, process_id)


async def living(driver: Driver) -> dict[str, int]:
    """How many processes of each kind beat."""
    rows = await _LIVING.fetch(driver)
    return dict.fromkeys(KINDS, 0) | {row["kind"]: row["count"] for row in rows}


async def measured_clocks(driver: Driver) -> list[MeasuredClock]:
    """The clocks of all that beat, the worst first."""
    return [MeasuredClock(**row) for row in await _OFFSETS.fetch(driver)]


async def forget_lapsed_processes(driver: Driver, after: timedelta) -> None:
    """Remove the rows of those that have not beaten for so long, and own nothing."""
    await _FORGET.execute(driver, after=after)


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
