"""Store a job."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from uuid import UUID

import msgspec

from commands.unit_of_work import Command, UnitOfWork, unit_of_work
from domain.errors import QuotaExceeded, within
from domain.ids import new_id
from domain.jobs.job import Job, visible_state
from domain.policies.catchup import CatchupPolicy
from domain.policies.overlap import Overlap
from domain.policies.retry import RetryPolicy
from domain.quotas.checks import FIRE_TIMES, check_frequency, check_target_size
from domain.schedules.checks import check_schedule
from domain.schedules.fire_times import due_time, first_moment, next_fire_time
from domain.schedules.schedule import Schedule
from domain.targets import Target, secret_names
from storage.jobs.calendar_changes import newest_change, note_seen
from storage.jobs.calendars import full_schedule
from storage.jobs.inserts import NewJob
from storage.jobs.reckoning import elsewhere
from storage.services.secrets import hold_secrets


class CreateJob(Command, frozen=True, kw_only=True):
    name: str
    description: str
    tags: list[str]
    schedule: Schedule
    target: Target
    retry: RetryPolicy
    overlap: Overlap = Overlap.SKIP
    catchup: CatchupPolicy = CatchupPolicy()


@unit_of_work
async def create_job(command: CreateJob, uow: UnitOfWork) -> Job:
    """Store the job and return it as its service sees it.

    Raises:
        Invalid: When the schedule breaks a rule or never fires, or it or the target is more than
            the service may have, or the target refers to a secret that there is not.
        QuotaExceeded: When the service has as many jobs as it may.
    """
    check_target_size(command.target, command.caller.limits)
    job_id = new_id()
    schedule = msgspec.structs.replace(command.schedule, seed=str(job_id))
    if schedule.calendars or secret_names(command.target):
        new = await _store_with_what_it_names(command, uow, job_id, schedule)
    else:
        check = partial(_checked, command, job_id, schedule, schedule)
        reckoning = uow.shard.reckoning
        new = await reckoning.run(command.service_id, schedule, check, times=FIRE_TIMES)
        await _store(new, uow)
    uow.note_trace(job_id)
    uow.wake_dispatchers(new.next_claim_at)
    return new.job


async def _store_with_what_it_names(
    command: CreateJob, uow: UnitOfWork, job_id: UUID, schedule: Schedule
) -> NewJob:
    """Store a job while the calendars and secrets that it names are held."""
    driver, service_id = await uow.begin(), command.service_id
    await hold_secrets(driver, service_id, command.target)
    with within("/schedule"):
        full = await full_schedule(driver, service_id, schedule, lock=True)
    # Others wait for what is locked here, so this does not queue behind other services' schedules.
    check = partial(_checked, command, job_id, schedule, full)
    new = await elsewhere(full, check, times=FIRE_TIMES)
    await _store(new, uow)
    seen = await newest_change(driver, service_id, schedule.calendars)
    if seen is not None:
        await note_seen(driver, service_id, job_id, seen)
    return new


async def _store(new: NewJob, uow: UnitOfWork) -> None:
    if not await uow.store_job(new):
        most = new.caller.limits.jobs
        raise QuotaExceeded(f"This service may have {most:,} jobs and has them; delete some first.")


def _checked(command: CreateJob, job_id: UUID, schedule: Schedule, full: Schedule) -> NewJob:
    """The job, if its schedule will do.

    Args:
        full: With its calendars filled in.
    """
    with within("/schedule"):
        check_schedule(full)
        check_frequency(full, command.caller.limits)
    first = next_fire_time(full, after=first_moment(full))
    return NewJob(
        caller=command.caller,
        job=_job_of(command, job_id, schedule, first),
        next_fire_for=first,
        next_claim_at=None if first is None else due_time(full, first),
        accounted_to=first_moment(schedule),
    )


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
