"""By which tables of time zones jobs are reckoned: passes that reckon them anew by newer ones.

Fire times are stored as instants, so newer tables move some of them. A pass goes through all jobs
in the order in which they are due; one process makes it, as long as it beats, and another goes on
where that one got to. Versions only rise: who has older tables says so, and changes nothing.

What processes with other tables write meanwhile is found by a further pass. A pass is the last one
if it began when none had beaten, and so long after the tables were new that API processes, which
do not beat, have been replaced.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import structlog
from msgspec import Struct
from prometheus_client import Gauge

from domain.ids import EPOCH
from domain.schedules.clocks.zones import VERSION
from storage.postgres.heartbeats import LAPSE
from storage.postgres.pools import UNREACHABLE, Database, Driver
from storage.sql import statement

log = structlog.get_logger()
TABLES = Gauge(
    "tocsin_tzdata_info",
    "The tables of time zones that a process reckons by.",
    ["version"],
    multiprocess_mode="livemax",
)
SETTLE = timedelta(minutes=15)
"""So long after tables were new, or others were seen, processes with others are expected."""
WATCH_SECONDS = 30.0
_START = (EPOCH, UUID(int=0), UUID(int=0))
_NOWHERE = (None, None, None)

_OTHERS = statement("zones/others", lapse=LAPSE)
_VERSION = "SELECT version FROM zone_tables"
_IS_THERE = "SELECT to_regclass('zone_tables') IS NOT NULL"
_ADD = statement("zones/add")
_LOCK = "SELECT * FROM zone_tables FOR UPDATE"
_SEE = statement("zones/see", lapse=LAPSE)
_WRITE = statement("zones/write")
_EXPECT_OTHERS = "UPDATE zone_tables SET settled_from = $1"
_REACH = statement("zones/reach")

Key = tuple[datetime, UUID, UUID]


class Pass(Struct, frozen=True, kw_only=True):
    """A pass under way, which is this process's to go on with.

    Attributes:
        reached: Key of the last job that it has looked at: when that is due, its service, its id.
    """

    process_id: UUID
    version: str
    began_at: datetime
    reached: Key


class OtherTables(Struct, frozen=True, kw_only=True):
    """A process that reckons by other tables; None is said by older code."""

    kind: str
    host: str
    pid: int
    tzdata: str | None


async def version_of_jobs(driver: Driver) -> str | None:
    """The newest tables that jobs are reckoned by; None where nobody has reckoned yet."""
    if not await driver.fetchval(_IS_THERE):
        return None  # at a first start, before the schema; asked for, Postgres would log an error
    version: str | None = await driver.fetchval(_VERSION)
    return version


async def others(driver: Driver, version: str) -> list[OtherTables]:
    """The processes that beat and reckon by other tables."""
    return [OtherTables(**row) for row in await _OTHERS.fetch(driver, version=version)]


async def pass_to_make(
    driver: Driver, process_id: UUID, version: str, *, starts: bool
) -> Pass | None:
    """The pass that this process is to begin or to go on with, if there is one.

    Args:
        starts: Whether the process has just started. If no dispatcher with these tables was there
            to see, others may have been at work, and there is a pass.
    """
    async with driver.transaction():
        await _ADD.execute(driver, version=version, settle=SETTLE)
        (row,) = await driver.fetch(_LOCK)
        (seen,) = await _SEE.fetch(
            driver, holder_id=row["held_by"], process_id=process_id, version=version
        )
        settled_from, begins = _decide(row, seen, version, starts=starts)
        if begins:
            key, began_at = _START, seen["now"]
        elif settled_from != row["settled_from"]:
            await driver.execute(_EXPECT_OTHERS, settled_from)
        if not begins:
            is_mine = row["reached_job_id"] is not None and not seen["is_held"]
            if row["version"] != version or not is_mine:
                return None
            key, began_at = _key_of(row), row["began_at"]
        await _WRITE.execute(
            driver,
            version=version,
            settled_from=settled_from,
            began_at=began_at,
            process_id=process_id,
            **_named(key),
        )
    return Pass(process_id=process_id, version=version, began_at=began_at, reached=key)


async def note_reached(driver: Driver, made: Pass, reached: Key | None) -> bool:
    """Note how far a pass is, None at its end; whether it still is this process's to make."""
    said = await _REACH.execute(
        driver,
        version=made.version,
        began_at=made.began_at,
        process_id=made.process_id,
        **_named(reached or _NOWHERE),
    )
    return said != "UPDATE 0"


def _decide(row: Any, seen: Any, version: str, *, starts: bool) -> tuple[datetime, bool]:
    """From when on a pass is the last one, and whether a new one begins."""
    now, newest, settled_from = seen["now"], row["version"], row["settled_from"]
    is_due = settled_from <= now
    if version < newest:  # those with the newest tables are to look again at what this one does
        return (now + SETTLE if is_due else settled_from), False
    if version > newest or row["began_at"] is None:
        return now + SETTLE, True
    has_ended, was_last = row["reached_job_id"] is None, row["began_at"] >= settled_from
    if seen["with_others"] and is_due:
        return now + SETTLE, has_ended
    if starts and not seen["with_alike"]:
        return (now if is_due else settled_from), has_ended
    return settled_from, has_ended and is_due and not was_last


def _named(key: Key | tuple[None, None, None]) -> dict[str, object]:
    return dict(zip(("claim_at", "service_id", "job_id"), key, strict=True))


def _key_of(row: Any) -> Key:
    return row["reached_claim_at"], row["reached_service_id"], row["reached_job_id"]


async def watch_tables(database: Database) -> None:
    """Say by which tables this process reckons, and whether jobs are by others, until cancelled."""
    TABLES.labels(VERSION).set(1)
    told: str | None = VERSION
    while True:
        try:
            async with database.driver() as driver:
                of_jobs = await version_of_jobs(driver)
        except (asyncpg.PostgresError, *UNREACHABLE):
            of_jobs = told  # as before; who asks for the servers is told
        if of_jobs not in {told, None}:
            say = log.info if of_jobs == VERSION else log.warning
            say("zones.of_jobs", tzdata=VERSION, jobs_reckoned_by=of_jobs)
            told = of_jobs
        await asyncio.sleep(WATCH_SECONDS)
