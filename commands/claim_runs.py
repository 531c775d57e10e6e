"""Claim ahead: write the runs that fall due soon and move their jobs on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import compress
from operator import not_
from uuid import UUID

import asyncpg
import msgspec
from msgspec import Struct

from domain.catchup import TOLERANCE, Outcome, Stretch, plan
from domain.ids import EPOCH, run_id
from domain.schedules.schedule import TICK, due_time, utc_offset
from storage.due import Turns, claim_retries, due_jobs, prepare_claim
from storage.fire_quotas import Minute, beyond_quota
from storage.jobs import CALENDARS_OF_JOB, decode_catchup, schedule_of
from storage.ledger import JobStretch, told_by_runs, write_stretches
from storage.postgres import Database, Driver

JOBS_AT_ONCE = 1_000
LATE_JOBS_AT_ONCE = 100
"""To reckon with long outages takes time, in which nothing is handed over."""
RUNS_OF_A_JOB_AT_ONCE = 100

# Read when the jobs are locked: who changes a calendar locks the jobs that name it, too.
_CALENDARS = f"""
SELECT service_id, id, {CALENDARS_OF_JOB} AS calendars
FROM unnest($1::uuid[], $2::uuid[]) AS due (service_id, id)
JOIN jobs USING (service_id, id)
"""

# A run that is there already was rung by an earlier claim: it stays as it is.
_WRITE_RUNS = """
INSERT INTO runs (service_id, job_id, scheduled_for, id, due_at, overlap, utc_offset, trigger,
    state, open, attempt_count, held_by)
SELECT service_id, job_id, scheduled_for, id, due_at, overlap, utc_offset, 'schedule',
    'scheduled', true, 0, $8
FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::uuid[], $5::timestamptz[], $6::text[],
    $7::int[]) AS fire (service_id, job_id, scheduled_for, id, due_at, overlap, utc_offset)
ON CONFLICT DO NOTHING
"""

_MOVE_JOBS_ON = """
UPDATE jobs
SET next_fire_for = moved.next_fire_for, next_claim_at = moved.next_claim_at,
    accounted_to = moved.accounted_to, claimed_for = moved.claimed_for::timestamptz[],
    run_count = moved.run_count
FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[],
    $6::text[], $7::int[])
    AS moved (service_id, id, next_fire_for, next_claim_at, accounted_to, claimed_for, run_count)
WHERE jobs.service_id = moved.service_id AND jobs.id = moved.id
"""


class ClaimRuns(Struct, frozen=True, kw_only=True):
    """Attributes:
    dispatcher_id: Who claims, and will hand over.
    until: Claim what is due up to this instant.
    late: Claim what should have been claimed long ago, and nothing else.
    turns: How services share the claim; without it, what is due first comes first.
    most_offset: If `now` is later than the database's by more, the claim is refused; None asks not.
    """

    dispatcher_id: UUID
    now: datetime
    until: datetime
    late: bool = False
    turns: Turns | None = None
    most_offset: timedelta | None = None


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
    """What becomes of one job's fire times within the claim, and of its row."""

    service_id: UUID
    job_id: UUID
    overlap: str
    instants: list[datetime]
    due: list[datetime]
    offsets: list[int]
    unrun: list[Stretch]
    next_fire_for: datetime | None
    next_claim_at: datetime | None
    accounted_to: datetime
    claimed_for: list[datetime]
    run_count: int


async def claim_runs(command: ClaimRuns, database: Database) -> Claim:
    """Claim fire times and due retries, for this dispatcher alone; ClockAhead where it may not."""
    async with database.driver() as driver:
        async with driver.transaction():
            await prepare_claim(driver, command.now, command.most_offset)
            due = await _due_jobs(driver, command)
            fires = await _within_quota(driver, await _fires(driver, due, command), command.now)
            runs = await _write(driver, fires, command.dispatcher_id) if fires else []
        retries = await claim_retries(
            driver,
            command.dispatcher_id,
            command.now,
            command.until,
            JOBS_AT_ONCE,
            _after(runs, command.turns),
        )
    runs += [ClaimedRun(row["due_at"], row["service_id"], row["id"]) for row in retries]
    cut_short = any(fire.next_claim_at and fire.next_claim_at <= command.until for fire in fires)
    most = LATE_JOBS_AT_ONCE if command.late else JOBS_AT_ONCE
    return Claim(runs, cut_short or len(due) == most or len(retries) == JOBS_AT_ONCE)


async def _due_jobs(driver: Driver, command: ClaimRuns) -> list[asyncpg.Record]:
    on_time_from = command.now - TOLERANCE
    if command.late:
        late = on_time_from - TICK
        return await due_jobs(driver, late, EPOCH, LATE_JOBS_AT_ONCE, command.turns, late=True)
    return await due_jobs(driver, command.until, on_time_from, JOBS_AT_ONCE, command.turns)


def _after(runs: Sequence[ClaimedRun], turns: Turns | None) -> Turns | None:
    """The same turns once these runs are held, too."""
    if turns is None:
        return None
    held = Counter(turns.held)
    held.update(run.service_id for run in runs)
    return Turns(held=held, room=turns.room - len(runs))


async def _calendars(driver: Driver, due: list[asyncpg.Record]) -> dict[UUID, str]:
    """What the calendars of jobs hold, for those that name some."""
    naming = [job for job in due if job["calendars"]]
    if not naming:
        return {}
    rows = await driver.fetch(
        _CALENDARS, [job["service_id"] for job in naming], [job["id"] for job in naming]
    )
    return {row["id"]: row["calendars"] for row in rows}


async def _fires(driver: Driver, due: list[asyncpg.Record], command: ClaimRuns) -> list[_Fires]:
    calendars = await _calendars(driver, due)
    fires = [_fires_of(job, calendars.get(job["id"]), command) for job in due]
    # A fire time that has its run already may be given another in vain, but must not be counted
    # twice, nor be told of as one that did not run.
    doubtful = [
        (fire.service_id, fire.job_id, job["accounted_to"])
        for job, fire in zip(due, fires, strict=True)
        if fire.unrun or fire.run_count != job["run_count"]
    ]
    if not doubtful:
        return fires
    told = await told_by_runs(driver, doubtful)
    return [
        _fires_of(job, calendars.get(job["id"]), command, told[job["id"]])
        if told.get(job["id"])
        else fire
        for job, fire in zip(due, fires, strict=True)
    ]


def _fires_of(
    job: asyncpg.Record,
    calendars: str | None,
    command: ClaimRuns,
    told: Sequence[datetime] = (),
) -> _Fires:
    schedule = schedule_of(job["schedule"], calendars)
    most = schedule.max_runs
    made = plan(
        schedule,
        decode_catchup(job["catchup"]),
        accounted_to=job["accounted_to"],
        next_fire_for=job["next_fire_for"],
        now=command.now,
        until=command.until,
        limit=RUNS_OF_A_JOB_AT_ONCE,
        runs_left=None if most is None else max(most - job["run_count"], 1),
        told=told,
    )
    still_to_come = [instant for instant in job["claimed_for"] if instant > command.now]
    return _Fires(
        service_id=job["service_id"],
        job_id=job["id"],
        overlap=job["overlap"],
        instants=made.runs,
        due=[due_time(schedule, instant) for instant in made.runs],
        offsets=[utc_offset(schedule, instant) for instant in made.runs],
        unrun=made.unrun,
        next_fire_for=made.next_fire_for,
        next_claim_at=made.next_fire_for and due_time(schedule, made.next_fire_for),
        accounted_to=made.accounted_to,
        claimed_for=[*still_to_come, *made.runs],
        run_count=job["run_count"] + (0 if most is None else len(made.runs)),
    )


async def _within_quota(driver: Driver, fires: list[_Fires], now: datetime) -> list[_Fires]:
    """The same without the runs that are more than their services may have a minute."""
    wanted = Counter(minute for fire in fires for minute in _minutes(fire, now))
    beyond = await beyond_quota(driver, wanted) if wanted else {}
    if not beyond:
        return fires
    # Of those that come together, the first ones are let through.
    left = wanted - Counter(beyond)
    told = await told_by_runs(
        driver,
        [(fire.service_id, fire.job_id, min(fire.instants) - TICK) for fire in fires if fire.due],
    )
    return [
        _let_through(fire, now, left, told[fire.job_id]) if fire.due else fire for fire in fires
    ]


def _let_through(
    fire: _Fires, now: datetime, left: Counter[Minute], told: Sequence[datetime]
) -> _Fires:
    passes = []
    for minute in _minutes(fire, now):
        passes.append(left[minute] > 0)
        left[minute] -= 1
    if all(passes):
        return fire
    refused = [
        Stretch(first=instant, last=instant, outcome=Outcome.QUOTA, count=1)
        for instant in compress(fire.instants, map(not_, passes))
        if instant not in told
    ]
    gone = {stretch.first for stretch in refused}
    return msgspec.structs.replace(
        fire,
        instants=list(compress(fire.instants, passes)),
        due=list(compress(fire.due, passes)),
        offsets=list(compress(fire.offsets, passes)),
        claimed_for=[instant for instant in fire.claimed_for if instant not in gone],
        unrun=[*fire.unrun, *refused],
    )


def _minutes(fire: _Fires, now: datetime) -> list[Minute]:
    """The minute in which each of its runs rings."""
    return [(fire.service_id, max(due, now).replace(second=0, microsecond=0)) for due in fire.due]


async def _write(driver: Driver, fires: list[_Fires], holder: UUID) -> list[ClaimedRun]:
    rows = [
        (
            fire.service_id,
            fire.job_id,
            instant,
            run_id(fire.job_id, instant),
            due,
            fire.overlap,
            offset,
        )
        for fire in fires
        for instant, due, offset in zip(fire.instants, fire.due, fire.offsets, strict=True)
    ]
    if rows:
        await driver.execute(_WRITE_RUNS, *map(list, zip(*rows, strict=True)), holder)
    await write_stretches(
        driver,
        [JobStretch.of(fire.service_id, fire.job_id, one) for fire in fires for one in fire.unrun],
    )
    await driver.execute(
        _MOVE_JOBS_ON,
        [fire.service_id for fire in fires],
        [fire.job_id for fire in fires],
        [fire.next_fire_for for fire in fires],
        [fire.next_claim_at for fire in fires],
        [fire.accounted_to for fire in fires],
        [_array_text(fire.claimed_for) for fire in fires],
        [fire.run_count for fire in fires],
    )
    return [ClaimedRun(due, service_id, run) for service_id, _, _, run, due, _, _ in rows]


def _array_text(instants: list[datetime]) -> str:
    # unnest() would flatten an array of arrays, so each travels as Postgres writes it.
    return "{" + ",".join(instant.isoformat() for instant in instants) + "}"
