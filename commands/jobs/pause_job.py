"""Stop a job from firing until it is resumed."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from commands.unit_of_work import Command, UnitOfWork, unit_of_work
from domain.errors import Conflict
from domain.jobs.job import Job, JobState, Versions
from domain.policies.catchup import Outcome
from domain.schedules.edited import count_of, counted_after
from storage.cache.job_cache_entry import cache_entry_of
from storage.jobs.calendar_changes import JobRow
from storage.jobs.changes import (
    at_its_end,
    change_from,
    change_job,
    lock_job,
    stored_schedule,
    withdraw_past,
    withdraw_to_come,
)
from storage.jobs.last_runs import last_open_run
from storage.jobs.pauses import begin_pause
from storage.jobs.rows import job_of
from storage.postgres.pools import Driver


class PauseJob(Command, frozen=True, kw_only=True):
    """Attributes:
    reason: Why, in the words of whoever pauses it.
    versions: Of which the job must have one; None for any.
    """

    job_id: UUID
    reason: str | None = None
    versions: Versions = None


@unit_of_work
async def pause_job(command: PauseJob, uow: UnitOfWork) -> Job:
    """Pause the job; what has not begun to ring will not.

    Pausing twice changes nothing but the reason, if another one is given.

    Raises:
        Conflict: When the job has no fire time left, and no run of its schedule is open.
        NotFound: When the service has no such job.
        PreconditionFailed: When it has none of the versions.
    """
    driver, now = await uow.begin(), command.now
    row = await lock_job(driver, command.service_id, command.job_id, command.versions)
    job = job_of(row, now)
    is_paused = job.state is JobState.PAUSED
    if is_paused and command.reason in (None, job.pause_reason):
        # Whoever paused it may not have told the cache yet.
        uow.changes_only(cache_entry_of(job, now))
        return job
    if not is_paused and await _is_over(driver, row, job, now):
        raise Conflict("The job has no fire time left; give it a new schedule first.")
    told = {} if command.reason is None else {"reason": command.reason}
    await uow.audit("job.paused", row["id"], **told)
    if is_paused:
        paused = await change_job(driver, row, now, pause_reason=command.reason)
    else:
        paused = await pause(driver, row, now, command.reason)
    uow.changes_only(cache_entry_of(paused, now))
    return paused


async def _is_over(driver: Driver, row: JobRow, job: Job, now: datetime) -> bool:
    """Whether a locked job will not fire again, and its last run has ended."""
    to_come = job.next_fire_at is not None and job.next_fire_at > now
    if to_come or (job.next_fire_at and not at_its_end(job.schedule, row["run_count"])):
        return False
    since = counted_after(job.schedule)
    return await last_open_run(driver, row["service_id"], row["id"], since) is None


async def pause(driver: Driver, row: JobRow, now: datetime, reason: str | None = None) -> Job:
    """Pause a locked job that is not paused.

    Args:
        reason: Why, in the words of whoever does it, or Tocsin's own.
    """
    since = await change_from(driver, row, now)
    withdrawn = await withdraw_past(driver, row, since, Outcome.PAUSED)
    changes = await withdraw_to_come(driver, row, since)
    known = {**row, **changes}
    schedule = await stored_schedule(driver, row)
    run_count = max(known["run_count"] - count_of(schedule, withdrawn), 0)
    if withdrawn or (known["next_fire_for"] is not None and not at_its_end(schedule, run_count)):
        await begin_pause(driver, row, schedule, known["accounted_to"])
    return await change_job(
        driver,
        row,
        now,
        **{
            **changes,
            "paused": True,
            "pause_reason": reason,
            "next_fire_for": None,
            "next_claim_at": None,
            "claimed_for": [],
            "run_count": run_count,
        },
    )
