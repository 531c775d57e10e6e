"""Let a paused job fire again."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from domain.caller import Caller
from domain.job import Job, Versions
from storage.audit import record
from storage.job_changes import after_pause, change_job, end_pause, lock_job, stored_schedule
from storage.job_entries import entry_of
from storage.jobs import job_of
from storage.ledger import close_pause
from storage.shards import Shards
from storage.shared_cache import NewEntry
from storage.transactions import driver_of


class ResumeJob(Struct, frozen=True, kw_only=True):
    """Attributes:
    catch_up: Whether what passed meanwhile is left to the job's catch-up policy.
    versions: Of which the job must have one; None for any.
    """

    caller: Caller
    job_id: UUID
    now: datetime
    catch_up: bool = False
    versions: Versions = None


async def resume_job(command: ResumeJob, shards: Shards) -> Job:
    """Resume from now on, unless told to catch up. Resuming twice changes nothing.

    Raises:
        NotFound: When the service has no such job.
        PreconditionFailed: When it has none of the versions.
    """
    service_id = command.caller.service_id
    shard = shards.of(service_id)
    made: list[NewEntry] = []
    async with shard.writing(service_id, made, command.caller.claim) as connection:
        row = await lock_job(connection, service_id, command.job_id, command.versions)
        if not row["paused"]:
            # Whoever resumed it may not have told the cache yet.
            job = job_of(row, command.now)
            made.append(entry_of(job, command.now))
            command.caller.settle(job)
            return job
        schedule = await stored_schedule(connection, row)
        if command.catch_up:
            await close_pause(await driver_of(connection), service_id, row["id"])
            changes = await after_pause(connection, row, schedule, row["accounted_to"])
        else:
            await end_pause(connection, row, schedule, command.now)
            since = max(command.now, row["accounted_to"])
            changes = await after_pause(connection, row, schedule, since)
        await record(
            connection,
            command.caller,
            "job.resumed",
            row["id"],
            command.now,
            catch_up=command.catch_up,
        )
        job = await change_job(
            connection, row, command.now, paused=False, pause_reason=None, **changes
        )
        made.append(entry_of(job, command.now))
        command.caller.settle(job)
    await shard.wake_for(changes["next_claim_at"], command.now)
    return job
