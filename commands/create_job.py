"""Store a job."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec
from msgspec import Struct

from domain.caller import Caller
from domain.catchup import CatchupPolicy
from domain.errors import QuotaExceeded, within
from domain.ids import new_id
from domain.job import Job, visible_state
from domain.overlap import Overlap
from domain.quotas import check_frequency, check_target_size
from domain.retry import RetryPolicy
from domain.schedules.checks import check_schedule
from domain.schedules.schedule import Schedule, due_time, first_moment, next_fire_time
from domain.targets import Target, secret_names
from storage.calendars import full_schedule
from storage.job_counts import COUNT_JOB, count_slot
from storage.job_entries import entry_of
from storage.jobs import encode_schedule
from storage.listings import job_terms
from storage.postgres import Driver
from storage.secrets import hold_secrets
from storage.shards import Shards
from storage.shared_cache import NewEntry

# The job, its listing, its place in the count and its audit row in one statement: one round trip
# and one transaction. Nothing of it where the service has as many jobs as it may.
_CREATE = f"""
WITH counted AS (
    {COUNT_JOB.format(service="$1", slot="$22", most="$23")}
), audited AS (
    INSERT INTO audit (service_id, at, id, principal, action, object_id, request_id, address,
        details)
    SELECT $1, $11, $12, $13, 'job.created', $2, $14, $21, '{{}}' FROM counted
), listed AS (
    INSERT INTO listings (service_id, id, terms, updated_at)
    SELECT $1, $2, array_to_tsvector($20::text[]), $11 FROM counted
)
INSERT INTO jobs (service_id, id, name, description, tags, schedule, target, retry, paused,
    next_fire_for, claimed_for, version, created_at, updated_at, next_claim_at, accounted_to,
    overlap, catchup, calendars)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, false, $9, '{{}}', $10, $11, $11, $15, $16, $17, $18, $19
FROM counted
"""


class CreateJob(Struct, frozen=True, kw_only=True):
    caller: Caller
    name: str
    description: str
    tags: list[str]
    schedule: Schedule
    target: Target
    retry: RetryPolicy
    overlap: Overlap = Overlap.SKIP
    catchup: CatchupPolicy = CatchupPolicy()
    now: datetime


async def create_job(command: CreateJob, shards: Shards) -> Job:
    """Store the job and return it as its service sees it.

    Raises:
        Invalid: When the schedule breaks a rule or never fires, or it or the target is more than
            the service may have, or the target refers to a secret that there is not.
        QuotaExceeded: When the service has as many jobs as it may.
    """
    check_target_size(command.target, command.caller.limits)
    job_id = new_id()
    schedule = msgspec.structs.replace(command.schedule, seed=str(job_id))
    service_id = command.caller.service_id
    shard = shards.of(service_id)
    made: list[NewEntry] = []
    if schedule.calendars or secret_names(command.target):
        async with (
            shard.writing_driver(service_id, made, command.caller.claim) as driver,
            driver.transaction(),
        ):
            await hold_secrets(driver, service_id, command.target)
            with within("/schedule"):
                full = await full_schedule(driver, service_id, schedule, lock=True)
            _check(full, command)
            job, due = await _store(driver, command, job_id, schedule, full)
            made.append(entry_of(job, command.now))
            command.caller.settle(job)
    else:
        _check(schedule, command)
        async with shard.writing_driver(service_id, made, command.caller.claim) as driver:
            job, due = await _store(driver, command, job_id, schedule, schedule)
            made.append(entry_of(job, command.now))
            command.caller.settle(job)
    await shard.wake_for(due, command.now)
    return job


def _check(schedule: Schedule, command: CreateJob) -> None:
    with within("/schedule"):
        check_schedule(schedule)
        check_frequency(schedule, command.caller.limits)


async def _store(
    driver: Driver, command: CreateJob, job_id: UUID, schedule: Schedule, full: Schedule
) -> tuple[Job, datetime | None]:
    first = next_fire_time(full, after=first_moment(full))
    due = None if first is None else due_time(full, first)
    job = _job_of(command, job_id, schedule, first)
    caller = command.caller
    stored = await driver.execute(
        _CREATE,
        caller.service_id,
        job.id,
        job.name,
        job.description,
        job.tags,
        encode_schedule(job.schedule),
        _json(job.target),
        _json(job.retry),
        first,
        job.version,
        command.now,
        new_id(),
        caller.principal,
        caller.request_id,
        due,
        first_moment(schedule),
        job.overlap,
        _json(job.catchup),
        list(schedule.calendars),
        job_terms(caller.service_id, job),
        caller.address,
        count_slot(job.id),
        caller.limits.jobs,
    )
    if stored == "INSERT 0 0":
        most = caller.limits.jobs
        raise QuotaExceeded(f"This service may have {most:,} jobs and has them; delete some first.")
    return job, due


def _job_of(
    command: CreateJob, job_id: UUID, schedule: Schedule, next_fire_for: datetime | None
) -> Job:
    state, next_fire_at = visible_state(
        paused=False, next_fire_for=next_fire_for, claimed_for=[], now=command.now
    )
    return Job(
        id=job_id,
        name=command.name,
        description=command.description,
        tags=command.tags,
        schedule=schedule,
        target=command.target,
        retry=command.retry,
        overlap=command.overlap,
        catchup=command.catchup,
        state=state,
        next_fire_at=next_fire_at,
        pause_reason=None,
        version=1,
        created_at=command.now,
        updated_at=command.now,
    )


def _json(value: Struct) -> str:
    return msgspec.json.encode(value).decode()
