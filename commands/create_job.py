"""Store a job."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct
from sqlalchemy import insert

from domain.caller import Caller
from domain.errors import within
from domain.ids import new_id
from domain.job import Job, Target
from domain.retry import RetryPolicy
from domain.schedule import Schedule, check_schedule, first_moment, next_fire_time
from storage.audit import record
from storage.jobs import job_of
from storage.shards import Shards
from storage.tables import jobs


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
    service_id = command.caller.service_id
    job_id = new_id()
    next_claim_at = next_fire_time(command.schedule, after=first_moment(command.schedule))
    shard = shards.of(service_id)
    async with shard.writing(service_id) as connection:
        result = await connection.execute(
            insert(jobs)
            .values(
                service_id=service_id,
                id=job_id,
                name=command.name,
                description=command.description,
                tags=command.tags,
                schedule=command.schedule,
                target=command.target,
                retry=command.retry,
                paused=False,
                next_claim_at=next_claim_at,
                claimed_for=[],
                version=1,
                created_at=command.now,
                updated_at=command.now,
            )
            .returning(jobs)
        )
        row = result.one()
        await record(connection, command.caller, "job.created", job_id, command.now)
    await shard.wake_for(next_claim_at, command.now)
    return job_of(row, command.now)
