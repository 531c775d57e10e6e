"""Change a job."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import asdict
from sqlalchemy import RowMapping

from domain.caller import Caller
from domain.errors import within
from domain.job import Job, Target
from domain.retry import RetryPolicy
from domain.schedule import Schedule, check_schedule, first_moment, next_fire_time
from storage.audit import record
from storage.job_changes import change_job, free_runs, lock_job, withdraw_runs
from storage.shards import Shards


class Changes(Struct, frozen=True, kw_only=True):
    """What is set replaces what is stored."""

    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    tags: list[str] | UnsetType = UNSET
    schedule: Schedule | UnsetType = UNSET
    target: Target | UnsetType = UNSET
    retry: RetryPolicy | UnsetType = UNSET


# What a worker holds of a job whose run it has taken, and what the claim went by.
_TOLD_TO_WORKERS = {"schedule", "target", "retry"}


class UpdateJob(Struct, frozen=True, kw_only=True):
    caller: Caller
    job_id: UUID
    changes: Changes
    now: datetime


async def update_job(command: UpdateJob, shards: Shards) -> Job:
    """Apply the changes; they hold for every run that has not begun to ring.

    Raises:
        Invalid: When the new schedule breaks a rule or never fires.
        NotFound: When the service has no such job.
    """
    changed = {name: value for name, value in asdict(command.changes).items() if value is not UNSET}
    changes = dict(changed)
    if isinstance(command.changes.schedule, Schedule):
        with within("/schedule"):
            check_schedule(command.changes.schedule)
    service_id = command.caller.service_id
    shard = shards.of(service_id)
    async with shard.writing(service_id) as connection:
        row = await lock_job(connection, service_id, command.job_id)
        if changes.keys() & _TOLD_TO_WORKERS:
            withdrawn = await withdraw_runs(connection, service_id, row["id"])
            await free_runs(connection, service_id, row["id"])
            changes["next_claim_at"] = _next_claim_at(row, command, withdrawn)
            changes["claimed_for"] = []
        job = await change_job(connection, row, command.now, **changes)
        await record(
            connection,
            command.caller,
            "job.updated",
            row["id"],
            command.now,
            changed=sorted(changed),
        )
    await shard.wake_for(changes.get("next_claim_at"), command.now)
    return job


def _next_claim_at(
    row: RowMapping, command: UpdateJob, withdrawn: datetime | None
) -> datetime | None:
    if row["paused"]:
        return None
    schedule = command.changes.schedule
    if isinstance(schedule, Schedule):
        return next_fire_time(schedule, after=first_moment(schedule))
    return withdrawn or row["next_claim_at"]
