"""Reckon the next fire times of all jobs by newer tables of time zones, a batch at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
import structlog
from msgspec import Struct

from domain.access.caller import Caller
from domain.schedules.fire_times import next_fire_time
from domain.schedules.newer_tables import depends_on_tables
from storage.error_kinds import kind_of
from storage.jobs.rows import schedule_of
from storage.jobs.zone_tables import Key, note_reached, pass_to_make
from storage.shards import Shard
from storage.sql import statement

log = structlog.get_logger()
JOBS_AT_ONCE = 200

JOBS = statement("zones/jobs")


class ReckonZones(Struct, frozen=True, kw_only=True):
    """Attributes:
    process_id: Who reckons, a process that beats.
    version: Of its tables.
    starts: Whether it has just started.
    at_once: Jobs of a batch.
    """

    process_id: UUID
    version: str
    now: datetime
    starts: bool = False
    at_once: int = JOBS_AT_ONCE


class Reckoned(Struct, frozen=True, kw_only=True):
    """What one batch has done.

    Attributes:
        reached: All that is due up to here is reckoned anew; None if there is nothing left to do.
        moved: Jobs whose next fire time has changed.
    """

    reached: datetime | None = None
    moved: int = 0


async def reckon_zones(command: ReckonZones, shard: Shard) -> Reckoned:
    """Reckon the next batch of the pass anew, if there is one and no other process makes it."""
    async with shard.database.driver() as driver:
        made = await pass_to_make(
            driver, command.process_id, command.version, starts=command.starts
        )
        if made is None:
            return Reckoned()
        claim_at, service_id, job_id = made.reached
        rows = await JOBS.fetch(
            driver, claim_at=claim_at, service_id=service_id, job_id=job_id, most=command.at_once
        )
    found = await asyncio.to_thread(_changed, rows)
    moved = await _move(found, command, shard)
    reached = _key_of(rows[-1]) if len(rows) == command.at_once else None
    async with shard.database.driver() as driver:
        if not await note_reached(driver, made, reached):
            return Reckoned(moved=moved)  # another process goes on
    if reached is None:
        log.info("zones.jobs_reckoned", tzdata=command.version)
        return Reckoned(moved=moved)
    return Reckoned(reached=reached[0], moved=moved)


def _changed(rows: Sequence[asyncpg.Record]) -> list[tuple[UUID, UUID]]:
    """Services and ids of the jobs whose next fire time differs by this process's tables."""
    found = []
    for row in rows:
        # A job with a number of runs that has had them waits for the last of them.
        if row["next_fire_for"] is None or row["next_fire_for"] <= row["accounted_to"]:
            continue
        try:
            if _is_moved(row):
                found.append((row["service_id"], row["id"]))
        except Exception as error:  # noqa: BLE001 (of one job: its zone, perhaps, is no more)
            job_id = str(row["id"])
            log.error("zones.job_not_reckoned", job_id=job_id, error=kind_of(error))
    return found


def _is_moved(row: asyncpg.Record) -> bool:
    schedule = schedule_of(row["schedule"], row["calendars"])
    if not depends_on_tables(schedule):
        return False
    return bool(next_fire_time(schedule, after=row["accounted_to"]) != row["next_fire_for"])


async def _move(jobs: Sequence[tuple[UUID, UUID]], command: ReckonZones, shard: Shard) -> int:
    if not jobs:
        return 0
    # SQLAlchemy, which a dispatcher needs for nothing else, takes a second to import.
    await asyncio.to_thread(_import_sqlalchemy)
    from commands.jobs.move_fire_time import MoveFireTime, move_fire_time  # noqa: PLC0415

    moved = 0
    for service_id, job_id in jobs:
        dispatcher = Caller(service_id=service_id, principal="dispatcher", request_id="")
        move = MoveFireTime(
            caller=dispatcher, job_id=job_id, version=command.version, now=command.now
        )
        moved += await move_fire_time.on(move, shard)
    return moved


def _import_sqlalchemy() -> None:
    import commands.jobs.move_fire_time  # noqa: F401, PLC0415


def _key_of(row: asyncpg.Record) -> Key:
    return row["next_claim_at"], row["service_id"], row["id"]
