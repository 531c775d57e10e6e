"""Stop a job from firing until it is resumed."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec import Struct
from sqlalchemy import RowMapping

from domain.caller import Caller
from domain.catchup import Outcome
from domain.errors import Conflict
from domain.job import Job, JobState, Versions
from domain.schedules.edited import counted_after
from storage.audit import record
from storage.job_changes import (
    at_its_end,
    begin_pause,
    change_from,
    change_job,
    lock_job,
    stored_schedule,
    withdraw_past,
    withdraw_to_come,
)
from storage.job_entries import entry_of
from storage.jobs import job_of
from storage.last_runs import last_open_run
from storage.shards import Shards
from storage.shared_cache import NewEntry
from storage.transactions import WriteConnection, driver_of


class PauseJob(Struct, frozen=True, kw_only=True):
    """Attributes:
    reason: Why, in the words of whoever pauses it.
    versions: Of which the job must have one; None for any.
    """

    caller: Caller
    job_id: UUID
    now: datetime
    reason: str | None = None
    versions: Versions = None


async def pause_job(command: PauseJob, shards: Shards) -> Job:
    """Pause the job; what has not begun to ring will not.

    Pausing twice changes nothing but the reason, if another one is given.

    Raises:
        Conflict: When the job has no fire time left, and no run of its schedule is open.
        NotFound: When the service has no such job.
        PreconditionFailed: When it has none of the versions.
    """
    service_id = command.caller.service_id
    made: list[NewEntry] = []
    shard = shards.of(service_id)
    async with shard.writing(service_id, made, command.caller.claim) as connection:
        row = await lock_job(connection, service_id, command.job_id, command.versions)
        job = job_of(row, command.now)
        is_paused = job.state is JobState.PAUSED
        if is_paused and command.reason in (None, job.pause_reason):
            # Whoever paused it may not have told the cache yet.
            made.append(entry_of(job, command.now))
            command.caller.settle(job)
            return job
        if not is_paused and await _is_over(connection, row, job, command.now):
            raise Conflict("The job has no fire time left; give it a new schedule first.")
        told = {} if command.reason is None else {"reason": command.reason}
        await record(connection, command.caller, "job.paused", row["id"], command.now, **told)
        if is_paused:
            paused = await change_job(connection, row, command.now, pause_reason=command.reason)
        else:
            paused = await pause(connection, row, command.now, command.reason)
        made.append(entry_of(paused, command.now))
        command.caller.settle(paused)
        return paused


async def _is_over(connection: WriteConnection, row: RowMapping, job: Job, now: datetime) -> bool:
    """Whether a locked job will not fire again, and its last run has ended."""
    to_come = job.next_fire_at is not None and job.next_fire_at > now
    if to_come or (job.next_fire_at and not at_its_end(job.schedule, row["run_count"])):
        return False
    driver, since = await driver_of(connection), counted_after(job.schedule)
    return await last_open_run(driver, row["service_id"], row["id"], since) is None


async def pause(
    connection: WriteConnection, row: RowMapping, now: datetime, reason: str | None = None
) -> Job:
    """Pause a locked job that is not paused.

    Args:
        reason: Why, in the words of whoever does it, or Tocsin's own.
    """
    since = await change_from(connection, row, now)
    let_go = await withdraw_past(connection, row, since, Outcome.PAUSED)
    changes = await withdraw_to_come(connection, row, since)
    known = {**row, **changes}
    run_count = max(known["run_count"] - let_go, 0)
    schedule = await stored_schedule(connection, row)
    if let_go or (known["next_fire_for"] is not None and not at_its_end(schedule, run_count)):
        await begin_pause(connection, row, schedule, known["accounted_to"])
    return await change_job(
        connection,
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
