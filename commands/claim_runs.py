"""Claim ahead: write the runs that fall due soon and move their jobs on."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import asyncpg
from msgspec import Struct

from domain.ids import run_id
from domain.schedule import fire_times, next_fire_time
from storage.jobs import decode_schedule
from storage.postgres import Database, Driver

JOBS_AT_ONCE = 1_000
RUNS_OF_A_JOB_AT_ONCE = 100


_DUE_JOBS = """
SELECT service_id, id, schedule, next_claim_at, claimed_for
FROM jobs
WHERE next_claim_at <= $1
ORDER BY next_claim_at
LIMIT $2
FOR UPDATE SKIP LOCKED
"""

# A run that is there already was rung by an earlier claim: it stays as it is.
_WRITE_RUNS = """
INSERT INTO runs
    (service_id, job_id, scheduled_for, id, due_at, trigger, state, open, attempt_count, held_by)
SELECT service_id, job_id, scheduled_for, id, scheduled_for, 'schedule', 'scheduled', true, 0, $5
FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::uuid[])
    AS fire (service_id, job_id, scheduled_for, id)
ON CONFLICT DO NOTHING
"""

_MOVE_JOBS_ON = """
UPDATE jobs
SET next_claim_at = moved.next_claim_at, claimed_for = moved.claimed_for::timestamptz[]
FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::text[])
    AS moved (service_id, id, next_claim_at, claimed_for)
WHERE jobs.service_id = moved.service_id AND jobs.id = moved.id
"""

_CLAIM_RETRIES = """
UPDATE runs
SET retry_at = NULL, held_by = $3
WHERE (service_id, job_id, scheduled_for) IN (
    SELECT service_id, job_id, scheduled_for
    FROM runs
    WHERE retry_at <= $1
    ORDER BY retry_at
    LIMIT $2
    FOR UPDATE SKIP LOCKED
)
RETURNING service_id, id, due_at
"""


class ClaimRuns(Struct, frozen=True, kw_only=True):
    """Attributes:
    dispatcher_id: Who claims, and will hand over.
    until: Claim what is due up to this instant.
    """

    dispatcher_id: UUID
    now: datetime
    until: datetime


class ClaimedRun(Struct, frozen=True, order=True):
    due_at: datetime
    service_id: UUID
    id: UUID


class Claim(Struct, frozen=True):
    """Attributes:
    full: Whether more was due than one claim takes.
    """

    runs: list[ClaimedRun]
    full: bool


class _Fires(Struct, frozen=True):
    """One job's fire times within the claim, and what its row becomes."""

    service_id: UUID
    job_id: UUID
    instants: list[datetime]
    next_claim_at: datetime | None
    claimed_for: list[datetime]


async def claim_runs(command: ClaimRuns, database: Database) -> Claim:
    """Claim fire times of jobs and due retries, for this dispatcher alone."""
    async with database.driver() as driver:
        async with driver.transaction():
            due = await driver.fetch(_DUE_JOBS, command.until, JOBS_AT_ONCE)
            fires = [_fires_of(job, command) for job in due]
            runs = await _write(driver, fires, command.dispatcher_id) if fires else []
        retries = await driver.fetch(
            _CLAIM_RETRIES, command.until, JOBS_AT_ONCE, command.dispatcher_id
        )
    runs += [ClaimedRun(row["due_at"], row["service_id"], row["id"]) for row in retries]
    cut_short = any(fire.next_claim_at and fire.next_claim_at <= command.until for fire in fires)
    return Claim(runs, cut_short or JOBS_AT_ONCE in (len(due), len(retries)))


def _fires_of(job: asyncpg.Record, command: ClaimRuns) -> _Fires:
    schedule = decode_schedule(job["schedule"])
    instants = fire_times(
        schedule, start=job["next_claim_at"], until=command.until, limit=RUNS_OF_A_JOB_AT_ONCE
    )
    still_to_come = [instant for instant in job["claimed_for"] if instant > command.now]
    return _Fires(
        service_id=job["service_id"],
        job_id=job["id"],
        instants=instants,
        next_claim_at=next_fire_time(schedule, after=instants[-1]),
        claimed_for=[*still_to_come, *instants],
    )


async def _write(driver: Driver, fires: list[_Fires], holder: UUID) -> list[ClaimedRun]:
    rows = [
        (fire.service_id, fire.job_id, instant, run_id(fire.job_id, instant))
        for fire in fires
        for instant in fire.instants
    ]
    await driver.execute(_WRITE_RUNS, *map(list, zip(*rows, strict=True)), holder)
    await driver.execute(
        _MOVE_JOBS_ON,
        [fire.service_id for fire in fires],
        [fire.job_id for fire in fires],
        [fire.next_claim_at for fire in fires],
        [_array_text(fire.claimed_for) for fire in fires],
    )
    return [ClaimedRun(instant, service_id, run) for service_id, _, instant, run in rows]


def _array_text(instants: list[datetime]) -> str:
    # unnest() would flatten an array of arrays, so each travels as Postgres writes it.
    return "{" + ",".join(instant.isoformat() for instant in instants) + "}"
