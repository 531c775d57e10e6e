"""Change a job."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import asdict

from commands.reschedule import reschedule
from domain.caller import Caller
from domain.catchup import CatchupPolicy
from domain.job import Job, Versions
from domain.overlap import Overlap
from domain.quotas import check_target_size
from domain.retry import RetryPolicy
from domain.schedules.edited import is_same
from domain.schedules.schedule import Schedule
from domain.targets import Target
from storage.audit import record
from storage.claimed_runs import free_runs
from storage.documents.job import JobResource
from storage.handing_over import hand_over_soon
from storage.job_changes import change_from, change_job, lock_job, withdraw_to_come
from storage.job_entries import entry_of
from storage.jobs import job_of
from storage.queue import RunKey
from storage.secrets import hold_secrets
from storage.shards import Shards
from storage.shared_cache import NewEntry
from storage.transactions import driver_of


class Changes(Struct, frozen=True, kw_only=True):
    """What is set replaces what is stored.

    Attributes:
        reset_run_count: Whether the runs that `max_runs` allows are counted anew.
    """

    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    tags: list[str] | UnsetType = UNSET
    schedule: Schedule | UnsetType = UNSET
    target: Target | UnsetType = UNSET
    retry: RetryPolicy | UnsetType = UNSET
    overlap: Overlap | UnsetType = UNSET
    catchup: CatchupPolicy | UnsetType = UNSET
    reset_run_count: bool = False


ChangesOf = Callable[[Job], Changes]
"""What is to become of a job, told of the stored one."""

# What a worker holds of a job whose run it has taken, and what the claim went by.
_TOLD_TO_WORKERS = {"target", "retry", "overlap"}
_READ_ANEW = {*_TOLD_TO_WORKERS, "catchup"}


class UpdateJob(Struct, frozen=True, kw_only=True):
    """Attributes:
    changes: They, or what makes them of the job as it is found, locked.
    versions: Of which the job must have one; None for any.
    """

    caller: Caller
    job_id: UUID
    changes: Changes | ChangesOf
    now: datetime
    versions: Versions = None


async def update_job(command: UpdateJob, shards: Shards) -> Job:
    """Apply the changes; they hold for every run that has not begun to ring.

    What is stored already changes nothing, nor does an equal schedule.

    Raises:
        Invalid: When the new schedule breaks a rule or never fires, or it or the new target is more
            than the service may have, or the target refers to a secret that there is not.
        NotFound: When the service has no such job.
        PreconditionFailed: When it has none of the versions.
    """
    service_id, now = command.caller.service_id, command.now
    shard = shards.of(service_id)
    made: list[NewEntry] = []
    freed: list[RunKey] = []
    async with shard.writing(service_id, made) as connection:
        row = await lock_job(connection, service_id, command.job_id, command.versions)
        before = job_of(row, now)
        asked = command.changes if isinstance(command.changes, Changes) else command.changes(before)
        changed = _changed(asked, before)
        if not changed:
            # Whoever stored it so may not have told the cache yet.
            made.append(entry_of(before, now))
            return before
        changes = {name: value for name, value in changed.items() if name != "reset_run_count"}
        if "target" in changed:
            check_target_size(changed["target"], command.caller.limits)
            await hold_secrets(await driver_of(connection), service_id, changed["target"])
        if "schedule" in changed or asked.reset_run_count:
            rescheduled = await reschedule(
                connection,
                row,
                changed.get("schedule", before.schedule),
                command.caller.limits,
                now,
                count_anew=asked.reset_run_count,
            )
            changes |= rescheduled.changes
            freed += rescheduled.runs
        elif changed.keys() & _TOLD_TO_WORKERS:
            since = await change_from(connection, row, now)
            changes |= await withdraw_to_come(connection, row, since)
        if changed.keys() & _READ_ANEW:
            told = {"overlap": changed["overlap"]} if "overlap" in changed else {}
            freed += await free_runs(connection, row, **told)
        job = await change_job(connection, row, now, **changes)
        made.append(entry_of(job, now))
        await record(
            connection,
            command.caller,
            "job.updated",
            row["id"],
            now,
            changed=sorted(changed),
            before=_told(before, changed),
            after=_told(job, changed),
        )
    await shard.wake_for(changes.get("next_claim_at"), now)
    await hand_over_soon(shard, freed)
    return job


def _changed(changes: Changes, job: Job) -> dict[str, Any]:
    """What the changes make different."""
    given = {name: value for name, value in asdict(changes).items() if value is not UNSET}
    return {name: value for name, value in given.items() if _differs(name, value, job)}


def _differs(name: str, value: Any, job: Job) -> bool:
    if name == "reset_run_count":
        return bool(value)
    stored = getattr(job, name)
    if name == "schedule":
        return not is_same(value, stored)
    # As text, which a target's body is kept as.
    return msgspec.json.encode(value) != msgspec.json.encode(stored)


def _told(job: Job, changed: Collection[str]) -> dict[str, object]:
    """What the audit tells of a job; of a target only that it changed, as it may hold secrets."""
    resource = JobResource.of(job)
    shown = sorted(set(changed) - {"target", "reset_run_count"})
    return {name: getattr(resource, name) for name in shown}
