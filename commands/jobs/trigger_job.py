"""Run a job now, beside its schedule."""

from __future__ import annotations

from uuid import UUID

import asyncpg
import msgspec

from commands.unit_of_work import Command, UnitOfWork, unit_of_work
from domain.errors import NotFound
from domain.ids import new_id, run_id
from domain.policies.overlap import Overlap
from domain.runs.run import Run, RunState, Trigger
from domain.schedules.fire_times import TICK, next_nominal_time
from domain.schedules.schedule import utc_offset
from storage.jobs.rows import decode_schedule
from storage.postgres.pools import Driver
from storage.sql import statement

JOB = "SELECT version, schedule::text, overlap FROM jobs WHERE service_id = $1 AND id = $2"
RUN = statement("jobs/trigger")


class TriggerJob(Command, frozen=True, kw_only=True):
    """Attributes:
    overlap: Instead of the job's own policy, for this run.
    """

    job_id: UUID
    overlap: Overlap | None = None


@unit_of_work
async def trigger_job(command: TriggerJob, uow: UnitOfWork) -> Run:
    """Write a run that is due now and hand it over. A paused job may be triggered too.

    Raises:
        NotFound: When the service has no such job.
    """
    run = await _write_run(await uow.begin(each_commits=True), command)
    uow.changes_only()
    uow.note_trace(run.id)
    uow.dispatch([(command.service_id, run.id)])
    return run


async def _write_run(driver: Driver, command: TriggerJob) -> Run:
    """A run at the first free microsecond from `now`: a fire time names one run only.

    What the schedule names is left to the schedule, which may not have come to it yet.
    """
    key = (command.caller.service_id, command.job_id)
    scheduled_for = command.now
    while True:
        job = await driver.fetchrow(JOB, *key)
        if job is None:
            raise NotFound(f"There is no job {command.job_id}.")
        schedule = decode_schedule(job["schedule"])
        is_current = True
        while is_current:
            run = Run(
                id=run_id(command.job_id, scheduled_for),
                job_id=command.job_id,
                state=RunState.SCHEDULED,
                trigger=Trigger.MANUAL,
                scheduled_for=scheduled_for,
                due_at=scheduled_for,
                utc_offset=utc_offset(schedule, command.now),
            )
            if next_nominal_time(schedule, scheduled_for - TICK) != scheduled_for:
                is_current, is_written = await _write(driver, command, job, run)
                if is_written:
                    return run
            if is_current:
                scheduled_for += TICK


async def _write(
    driver: Driver, command: TriggerJob, job: asyncpg.Record, run: Run
) -> tuple[bool, bool]:
    """Whether the job is still as it was read, and whether the run was written."""
    caller = command.caller
    row = await RUN.fetchrow(
        driver,
        service_id=command.service_id,
        job_id=command.job_id,
        version=job["version"],
        scheduled_for=run.scheduled_for,
        run_id=run.id,
        overlap=command.overlap or job["overlap"],
        utc_offset=run.utc_offset,
        now=command.now,
        audit_id=new_id(),
        principal=caller.principal,
        request_id=caller.request_id,
        address=caller.address,
        details=msgspec.json.encode({"run_id": run.id}).decode(),
    )
    return (row["is_current"], row["is_written"]) if row else (False, False)
