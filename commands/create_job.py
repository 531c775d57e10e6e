"""Store a job."""

from __future__ import annotations

from datetime import datetime

import msgspec
from msgspec import Struct

from domain.caller import Caller
from domain.errors import within
from domain.ids import new_id
from domain.job import Job, Target, visible_state
from domain.retry import RetryPolicy
from domain.schedule import Schedule, check_schedule, first_moment, next_fire_time
from storage.shards import Shards

# The job and its audit row in one statement, and so in one round trip and one transaction.
_CREATE = """
WITH audited AS (
    INSERT INTO audit (service_id, at, id, principal, action, object_id, request_id, details)
    VALUES ($1, $11, $12, $13, 'job.created', $2, $14, '{}')
)
INSERT INTO jobs (service_id, id, name, description, tags, schedule, target, retry, paused,
    next_claim_at, claimed_for, version, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, false, $9, '{}', $10, $11, $11)
"""


class CreateJob(Struct, frozen=True, kw_only=True):
    caller: Caller
    name: str
    description: str
    tags: list[str]
    schedule: Schedule
    target: Target
    retry: RetryPolicy
    now: datetime


async def create_job(command: CreateJob, shards: Shards) -> Job:
    """Store the job and return it as its service sees it.

    Raises:
        Invalid: When the schedule breaks a rule or never fires.
    """
    with within("/schedule"):
        check_schedule(command.schedule)
    job = _job_of(command)
    caller = command.caller
    shard = shards.of(caller.service_id)
    async with shard.writing_driver(caller.service_id) as driver:
        await driver.execute(
            _CREATE,
            caller.service_id,
            job.id,
            job.name,
            job.description,
            job.tags,
            _json(job.schedule),
            _json(job.target),
            _json(job.retry),
            job.next_fire_at,
            job.version,
            command.now,
            new_id(),
            caller.principal,
            caller.request_id,
        )
    await shard.wake_for(job.next_fire_at, command.now)
    return job


def _job_of(command: CreateJob) -> Job:
    next_claim_at = next_fire_time(command.schedule, after=first_moment(command.schedule))
    state, next_fire_at = visible_state(
        paused=False, next_claim_at=next_claim_at, claimed_for=[], now=command.now
    )
    return Job(
        id=new_id(),
        name=command.name,
        description=command.description,
        tags=command.tags,
        schedule=command.schedule,
        target=command.target,
        retry=command.retry,
        state=state,
        next_fire_at=next_fire_at,
        version=1,
        created_at=command.now,
        updated_at=command.now,
    )


def _json(value: Struct) -> str:
    return msgspec.json.encode(value).decode()
