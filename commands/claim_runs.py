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
import structlog
from msgspec import Struct

from commands.claim_work import ClaimWork
from commands.job_fires import JobFires, as_it_is, fires_of
from domain.catchup import TOLERANCE, Outcome, Stretch
from domain.ids import EPOCH, run_id
from domain.schedules.schedule import TICK, Exclusion
from storage.due import Turns, claim_retries, due_jobs, prepare_claim
from storage.error_kinds import kind_of
from storage.fire_quotas import Minute, beyond_quota
from storage.jobs import decode_exclusions
from storage.last_runs import jobs_with_open_runs
from storage.ledger import JobStretch, told_by_runs, write_stretches
from storage.postgres import Database, Driver

log = structlog.get_logger()
STALE_REST = timedelta(seconds=1)
"""Until then a job is brought up to changes of its calendars (commands/continue_calendars.py)."""

BROKEN_REST = timedelta(minutes=1)
"""After so long, a job is looked at again that could not be reckoned with."""


class Calendars(Struct):
    """Those of a service that due jobs name.

    Attributes:
        changes: Of those that not all jobs have been brought up to: the last one.
    """

    exclude: dict[str, tuple[Exclusion, ...]] = {}
    changes: dict[str, int] = {}

    def is_stale(self, job: asyncpg.Record) -> bool:
        """Whether a job is still as one of its calendars was before."""
        if not self.changes:
            return False
        seen = job["calendar_change"] or 0
        return any(self.changes.get(name, 0) > seen for name in job["calendars"])


NO_CALENDARS = Calendars()
JOBS_AT_ONCE = 1_000
LATE_JOBS_AT_ONCE = 100
"""To reckon with long outages takes time, in which nothing is handed over."""


# Read when the jobs are locked: who changes a calendar waits for the jobs that name it afterwards.
# Each is read once, however many jobs name it.
_CALENDARS = """
SELECT service_id, name, exclude::text, (
    SELECT max(id) FROM calendar_changes AS change
    WHERE change.service_id = calendars.service_id AND change.name = calendars.name
) AS change
FROM unnest($1::uuid[], $2::text[]) AS named (service_id, name)
JOIN calendars USING (service_id, name)
"""

# A run that is there already was rung by an earlier claim: it stays as it is.
WRITE_RUNS = """
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


async def claim_runs(command: ClaimRuns, database: Database) -> Claim:
    """Claim fire times and due retries, for this dispatcher alone; ClockAhead where it may not."""
    async with database.driver() as driver:
        async with driver.transaction():
            await prepare_claim(driver, command.now, command.most_offset)
            due = await _due_jobs(driver, command)
            fires = await _without_ended(driver, await _fires(driver, due, command))
            fires = await _within_quota(driver, fires, command.now)
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


async def _calendars(driver: Driver, due: list[asyncpg.Record]) -> dict[UUID, Calendars]:
    """What the calendars hold that jobs name, by service."""
    named = {(job["service_id"], name) for job in due for name in job["calendars"]}
    if not named:
        return {}
    rows = await driver.fetch(_CALENDARS, *map(list, zip(*named, strict=True)))
    found: dict[UUID, Calendars] = {}
    for row in rows:
        of_service = found.setdefault(row["service_id"], Calendars())
        of_service.exclude[row["name"]] = decode_exclusions(row["exclude"])
        if row["change"] is not None:
            of_service.changes[row["name"]] = row["change"]
    return found


async def _fires(driver: Driver, due: list[asyncpg.Record], command: ClaimRuns) -> list[JobFires]:
    calendars, work = await _calendars(driver, due), ClaimWork()

    async def reckon(job: asyncpg.Record, told: Sequence[datetime] = ()) -> JobFires:
        known = calendars.get(job["service_id"], NO_CALENDARS)
        if known.is_stale(job):
            return as_it_is(job, command.now, command.until + STALE_REST)
        try:
            return await fires_of(
                job, known.exclude, told, now=command.now, until=command.until, work=work
            )
        except Exception as error:  # noqa: BLE001 (of one job: its zone, perhaps, is no more)
            log.error("claim.job_not_reckoned", job_id=str(job["id"]), error=kind_of(error))
            return as_it_is(job, command.now, command.until + BROKEN_REST)

    fires = [await reckon(job) for job in due]
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
        await reckon(job, told[job["id"]]) if told.get(job["id"]) else fire
        for job, fire in zip(due, fires, strict=True)
    ]


async def _without_ended(driver: Driver, fires: list[JobFires]) -> list[JobFires]:
    """The same; of the jobs that have had their runs, those are at their end whose runs are."""
    waiting = [
        (fire.service_id, fire.job_id, fire.waits_since)
        for fire in fires
        if fire.waits_since is not None
    ]
    if not waiting:
        return fires
    go_on = await jobs_with_open_runs(driver, waiting)
    return [
        fire
        if fire.waits_since is None or fire.job_id in go_on
        else msgspec.structs.replace(fire, next_fire_for=None, next_claim_at=None)
        for fire in fires
    ]


async def _within_quota(driver: Driver, fires: list[JobFires], now: datetime) -> list[JobFires]:
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
    fire: JobFires, now: datetime, left: Counter[Minute], told: Sequence[datetime]
) -> JobFires:
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
        # Kept for jobs with a number of runs, of which these are none.
        run_count=max(fire.run_count - len(refused), 0),
    )


def _minutes(fire: JobFires, now: datetime) -> list[Minute]:
    """The minute in which each of its runs rings."""
    return [(fire.service_id, max(due, now).replace(second=0, microsecond=0)) for due in fire.due]


async def _write(driver: Driver, fires: list[JobFires], holder: UUID) -> list[ClaimedRun]:
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
        await driver.execute(WRITE_RUNS, *map(list, zip(*rows, strict=True)), holder)
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
