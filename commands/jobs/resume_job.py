"""Let a paused job fire again."""

from __future__ import annotations

from uuid import UUID

from commands.unit_of_work import Command, UnitOfWork, unit_of_work
from domain.jobs.job import Job, Versions
from storage.cache.job_cache_entry import cache_entry_of
from storage.jobs.changes import change_job, lock_job, stored_schedule
from storage.jobs.ledger import close_pause
from storage.jobs.pauses import after_pause, end_pause
from storage.jobs.rows import job_of


class ResumeJob(Command, frozen=True, kw_only=True):
    """Attributes:
    catch_up: Whether what passed meanwhile is left to the job's catch-up policy.
    versions: Of which the job must have one; None for any.
    """

    job_id: UUID
    catch_up: bool = False
    versions: Versions = None


@unit_of_work
async def resume_job(command: ResumeJob, uow: UnitOfWork) -> Job:
    """Resume from now on, unless told to catch up. Resuming twice changes nothing.

    Raises:
        NotFound: When the service has no such job.
        PreconditionFailed: When it has none of the versions.
    """
    driver, now = await uow.begin(), command.now
    row = await lock_job(driver, command.service_id, command.job_id, command.versions)
    if not row["paused"]:
        # Whoever resumed it may not have told the cache yet.
        job = job_of(row, now)
        uow.changes_only(cache_entry_of(job, now))
        return job
    schedule = await stored_schedule(driver, row)
    if command.catch_up:
        await close_pause(driver, command.service_id, row["id"])
        changes = await after_pause(driver, row, schedule, row["accounted_to"])
    else:
        await end_pause(driver, row, schedule, now)
        changes = await after_pause(driver, row, schedule, max(now, row["accounted_to"]))
    await uow.audit("job.resumed", row["id"], catch_up=command.catch_up)
    job = await change_job(driver, row, now, paused=False, pause_reason=None, **changes)
    uow.changes_only(cache_entry_of(job, now))
    uow.wake_dispatchers(changes["next_claim_at"])
    return job
