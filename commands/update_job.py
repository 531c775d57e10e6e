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
from storage.jobs import change_job, free_runs, lock_job, withdraw_runs
from storage.shards import Shards


class Changes(Struct, frozen=True, kw_only=True):
    """What is set replaces what is stored."""

    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    tags: list[str] | UnsetType = UNSET
    schedule: Schedule | UnsetType = UNSET
    target: Target | UnsetType = UNSET
    retry: RetryPolicy | UnsetType = UNSET


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
    changes = {name: value for name, value in asdict(command.changes).items() if value is not UNSET}
    if isinstance(command.changes.schedule, Schedule):
        with within("/schedule"):
            check_schedule(command.changes.schedule)
    service_id = command.caller.service_id
    shard = shards.of(service_id)
    async with shard.writing(service_id) as connection:
        row = await lock_job(connection, service_id, command.job_id)
        withdrawn = await withdraw_runs(connection, service_id, row["id"])
        await free_runs(connection, service_id, row["id"])
        next_claim_at = _next_claim_at(row, command, withdrawn)
        job = await change_job(
            connection, row, command.now, next_claim_at=next_claim_at, claimed_for=[], **changes
        )
        await record(
            connection,
            command.caller,
            "job.updated",
            row["id"],
            command.now,
            changed=sorted(changes),
        )
    await shard.wake_for(next_claim_at, command.now)
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
