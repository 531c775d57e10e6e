"""Let a paused job fire again."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from domain.caller import Caller
from domain.job import Job
from domain.schedule import next_fire_time
from storage.audit import record
from storage.job_changes import change_job, lock_job
from storage.jobs import decode_schedule, job_of
from storage.shards import Shards


class ResumeJob(Struct, frozen=True, kw_only=True):
    caller: Caller
    job_id: UUID
    now: datetime


async def resume_job(command: ResumeJob, shards: Shards) -> Job:
    """Resume from now on: what passed meanwhile stays unrung. Resuming twice changes nothing.

    Raises:
        NotFound: When the service has no such job.
    """
    service_id = command.caller.service_id
    shard = shards.of(service_id)
    async with shard.writing(service_id) as connection:
        row = await lock_job(connection, service_id, command.job_id)
        if not row["paused"]:
            return job_of(row, command.now)
        next_claim_at = next_fire_time(decode_schedule(row["schedule"]), after=command.now)
        await record(connection, command.caller, "job.resumed", row["id"], command.now)
        job = await change_job(
            connection, row, command.now, paused=False, next_claim_at=next_claim_at
        )
    await shard.wake_for(next_claim_at, command.now)
    return job
