"""Stop a job from firing until it is resumed."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from domain.caller import Caller
from domain.errors import Conflict
from domain.job import Job, JobState
from storage.audit import record
from storage.job_changes import change_job, lock_job, withdraw_runs
from storage.jobs import job_of
from storage.shards import Shards


class PauseJob(Struct, frozen=True, kw_only=True):
    caller: Caller
    job_id: UUID
    now: datetime


async def pause_job(command: PauseJob, shards: Shards) -> Job:
    """Pause the job; what has not begun to ring will not. Pausing twice changes nothing.

    Raises:
        Conflict: When the job has no fire time left.
        NotFound: When the service has no such job.
    """
    service_id = command.caller.service_id
    async with shards.of(service_id).writing(service_id) as connection:
        row = await lock_job(connection, service_id, command.job_id)
        job = job_of(row, command.now)
        if job.state is JobState.PAUSED:
            return job
        if job.state is JobState.COMPLETED:
            raise Conflict("The job has no fire time left; give it a new schedule first.")
        await withdraw_runs(connection, service_id, row["id"])
        await record(connection, command.caller, "job.paused", row["id"], command.now)
        return await change_job(
            connection, row, command.now, paused=True, next_claim_at=None, claimed_for=[]
        )
