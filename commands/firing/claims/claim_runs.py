"""Claim ahead: write the runs that fall due soon and move their jobs on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import msgspec
import structlog
from msgspec import Struct

from commands.firing.claims.claim_budget import ClaimWork
from commands.firing.claims.claimed_calendars import NO_CALENDARS, calendars_of
from commands.firing.claims.fires_within_quota import fires_within_quota
from commands.firing.claims.job_fires import JobFires, as_it_is, fires_of
from domain.ids import EPOCH, run_id
from domain.policies.catchup import TOLERANCE
from domain.schedules.fire_times import TICK
from storage.error_kinds import kind_of
from storage.jobs.last_runs import jobs_with_open_runs
from storage.jobs.ledger import JobStretch, recorded_by_runs, write_stretches
from storage.postgres.pools import Database, Driver
from storage.runs.claimable import ClaimShares, claim_retries, claimable_jobs, prepare_claim
from storage.sql import statement

log = structlog.get_logger()
STALE_REST = timedelta(seconds=1)
"""A job that is behind a change of its calendars waits so long: it is brought up meanwhile."""

BROKEN_REST = timedelta(minutes=1)
"""How long a job waits whose fire times could not be computed."""

JOBS_AT_ONCE = 1_000
LATE_JOBS_AT_ONCE = 100
"""Long outages take time to compute, in which nothing is dispatched."""

WRITE_RUNS = statement("claims/write_runs")
_MOVE_JOBS_ON = statement("claims/move_jobs_on")


class ClaimRuns(Struct, frozen=True, kw_only=True):
    """Attributes:
    dispatcher_id: Who claims, and will dispatch.
    until: Claim what is due up to this instant.
    late: Claim what should have been claimed long ago, and nothing else.
    claim_shares: How services share the claim; without it, what is due first comes first.
    most_offset: A claim is refused whose `now` is ahead of the database's by more; None: unchecked.
    """

    dispatcher_id: UUID
    now: datetime
    until: datetime
    late: bool = False
    claim_shares: ClaimShares | None = None
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
    """Claim fire times and due retries for one dispatcher; ClockAhead if its clock is ahead."""
    async with database.driver() as driver:
        async with driver.transaction():
            await prepare_claim(driver, command.now, command.most_offset)
            due = await _claimable_jobs(driver, command)
            fires = await _without_ended(driver, await _fires(driver, due, command))
            fires = await fires_within_quota(driver, fires, command.now)
            runs = await _write(driver, fires, command.dispatcher_id) if fires else []
        retries = await claim_retries(
            driver,
            command.dispatcher_id,
            command.now,
            command.until,
            JOBS_AT_ONCE,
            _after(runs, command.claim_shares),
        )
    runs += [ClaimedRun(row["due_at"], row["service_id"], row["id"]) for row in retries]
    cut_short = any(fire.next_claim_at and fire.next_claim_at <= command.until for fire in fires)
    most = LATE_JOBS_AT_ONCE if command.late else JOBS_AT_ONCE
    return Claim(runs, cut_short or len(due) == most or len(retries) == JOBS_AT_ONCE)


async def _claimable_jobs(driver: Driver, command: ClaimRuns) -> list[asyncpg.Record]:
    on_time_from = command.now - TOLERANCE
    if command.late:
        late = on_time_from - TICK
        return await claimable_jobs(
            driver, late, EPOCH, LATE_JOBS_AT_ONCE, command.claim_shares, late=True
        )
    return await claimable_jobs(
        driver, command.until, on_time_from, JOBS_AT_ONCE, command.claim_shares
    )


def _after(runs: Sequence[ClaimedRun], claim_shares: ClaimShares | None) -> ClaimShares | None:
    """The shares that are left once these runs are claimed, too."""
    if claim_shares is None:
        return None
    held = Counter(claim_shares.held)
    held.update(run.service_id for run in runs)
    return ClaimShares(held=held, room=claim_shares.room - len(runs))


async def _fires(driver: Driver, due: list[asyncpg.Record], command: ClaimRuns) -> list[JobFires]:
    calendars, work = await calendars_of(driver, due), ClaimWork()

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
    # A second run of a fire time is not written, so it does no harm to plan one; but it must not
    # be counted twice, nor recorded in the ledger as one that did not run.
    doubtful = [
        (fire.service_id, fire.job_id, job["accounted_to"])
        for job, fire in zip(due, fires, strict=True)
        if fire.unrun or fire.run_count != job["run_count"]
    ]
    if not doubtful:
        return fires
    told = await recorded_by_runs(driver, doubtful)
    return [
        await reckon(job, told[job["id"]]) if told.get(job["id"]) else fire
        for job, fire in zip(due, fires, strict=True)
    ]


async def _without_ended(driver: Driver, fires: list[JobFires]) -> list[JobFires]:
    """The same fires; a job that has had all its runs ends here once all of these have ended."""
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
        service_ids, job_ids, fire_times, run_ids, due_at, overlaps, utc_offsets = map(
            list, zip(*rows, strict=True)
        )
        await WRITE_RUNS.execute(
            driver,
            service_ids=service_ids,
            job_ids=job_ids,
            fire_times=fire_times,
            run_ids=run_ids,
            due_at=due_at,
            overlaps=overlaps,
            utc_offsets=utc_offsets,
            dispatcher_id=holder,
        )
    await write_stretches(
        driver,
        [JobStretch.of(fire.service_id, fire.job_id, one) for fire in fires for one in fire.unrun],
    )
    await _MOVE_JOBS_ON.execute(
        driver,
        service_ids=[fire.service_id for fire in fires],
        job_ids=[fire.job_id for fire in fires],
        next_fire_for=[fire.next_fire_for for fire in fires],
        next_claim_at=[fire.next_claim_at for fire in fires],
        accounted_to=[fire.accounted_to for fire in fires],
        claimed_for=[_array_text(fire.claimed_for) for fire in fires],
        run_counts=[fire.run_count for fire in fires],
    )
    return [ClaimedRun(due, service_id, run) for service_id, _, _, run, due, _, _ in rows]


def _array_text(instants: list[datetime]) -> str:
    # unnest() would flatten an array of arrays, so each travels as Postgres writes it.
    return "{" + ",".join(instant.isoformat() for instant in instants) + "}"
