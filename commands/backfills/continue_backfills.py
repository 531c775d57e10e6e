"""Make the next runs of backfills that are under way."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import asyncpg

from domain.policies.overlap import Overlap
from domain.runs.run import Trigger
from domain.schedules.fire_times import TICK, fire_times, next_fire_time
from domain.schedules.kinds.work import Budget
from domain.schedules.schedule import Schedule, utc_offset
from storage.jobs.rows import schedule_of
from storage.postgres.pools import Database, Driver
from storage.queue.broker import RunKey
from storage.runs.extra_runs import ExtraRun, write_extra_runs
from storage.sql import statement

STEP = timedelta(seconds=1)
SECONDS_OF_A_MINUTE = 60
BACKFILLS_AT_ONCE = 50
LOOKED_AT_ONCE = 1_000
EXCLUDED_AT_ONCE = 5_000
"""Where more are excluded, the rest is left to the next step: others wait for the dispatcher."""
STEP_STEPS = 20_000
"""What a step may cost to reckon: about 20 ms."""
ALL_STEPS = 80_000

_DUE = statement("backfills/to_continue")
_NOT_MISSING = statement("backfills/not_missing")

# One step at a time writes a job's backfilled runs: those that another has not committed cannot be
# seen, and look missing. The lock is only tried: to wait would hold up all other backfills.
DECIDE = "SELECT pg_try_advisory_xact_lock(hashtextextended($1::text, $2))"
ADVISORY_SEED = 0x70C5B

_MOVE_ON = statement("backfills/move_on")


async def continue_backfills(now: datetime, database: Database) -> list[RunKey]:
    """Make what each backfill's rate allows at this moment; harmless when done twice at once.

    Returns:
        The runs made, ready to be dispatched.
    """
    async with database.driver() as driver, driver.transaction():
        due = await _DUE.fetch(driver, now=now, most=BACKFILLS_AT_ONCE)
        made: list[RunKey] = []
        steps = 0
        for backfill in due:
            if not await _may_decide(driver, backfill):
                continue  # another dispatcher does at this moment; the next look finds it again
            schedule = schedule_of(backfill["schedule"], backfill["calendars"])
            made += await _continue(driver, backfill, schedule, now)
            steps += schedule.work.steps
            if steps >= ALL_STEPS:
                break  # the others have waited longer by the next look, and come first
            await asyncio.sleep(0)
    return made


async def _continue(
    driver: Driver, backfill: asyncpg.Record, schedule: Schedule, now: datetime
) -> list[RunKey]:
    first = next_fire_time(schedule, after=backfill["position"])
    times = _next_times(schedule, first, backfill)
    missing = await _missing(driver, backfill, times) if backfill["only_missing"] else times
    chosen = missing[: _allowed(backfill)]
    looked_at = times.index(chosen[-1]) + 1 if len(chosen) < len(missing) else len(times)
    runs = await write_extra_runs(
        driver,
        backfill["service_id"],
        [
            ExtraRun(
                job_id=backfill["job_id"],
                scheduled_for=instant,
                overlap=Overlap(backfill["overlap"]),
                utc_offset=utc_offset(schedule, instant),
            )
            for instant in chosen
        ],
        trigger=Trigger.BACKFILL,
        due_at=now,
        backfill_id=backfill["id"],
    )
    # Where all that a step looked at is excluded, the next one goes on from there.
    position = times[looked_at - 1] if looked_at else first or backfill["position"]
    upcoming = next_fire_time(schedule, after=position)
    over = upcoming is None or upcoming >= backfill["end_at"]
    await _MOVE_ON.execute(
        driver,
        service_id=backfill["service_id"],
        backfill_id=backfill["id"],
        position=position,
        done=looked_at,
        runs=len(runs),
        continue_at=None if over else now + _pause(backfill),
        now=now,
    )
    return runs


def _next_times(
    schedule: Schedule, first: datetime | None, backfill: asyncpg.Record
) -> list[datetime]:
    if first is None:
        return []
    return fire_times(
        schedule,
        start=first,
        until=backfill["end_at"] - TICK,
        limit=LOOKED_AT_ONCE,
        patience=EXCLUDED_AT_ONCE,
        budget=Budget(schedule.work, STEP_STEPS),
    )


def _allowed(backfill: asyncpg.Record) -> int:
    """Runs to make in one step: a second's worth, at least one."""
    return max(int(backfill["runs_per_minute"]) // SECONDS_OF_A_MINUTE, 1)


def _pause(backfill: asyncpg.Record) -> timedelta:
    rate = int(backfill["runs_per_minute"])
    return STEP if rate >= SECONDS_OF_A_MINUTE else timedelta(minutes=1) / rate


async def _missing(
    driver: Driver, backfill: asyncpg.Record, times: list[datetime]
) -> list[datetime]:
    rows = await _NOT_MISSING.fetch(
        driver,
        service_id=backfill["service_id"],
        job_id=backfill["job_id"],
        fire_times=times,
    )
    there = {row["scheduled_for"] for row in rows}
    return [instant for instant in times if instant not in there]


async def _may_decide(driver: Driver, backfill: asyncpg.Record) -> bool:
    key = f"{backfill['service_id']}/{backfill['job_id']}"
    return bool(await driver.fetchval(DECIDE, key, ADVISORY_SEED))
