"""Change a job."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import asdict

from commands.jobs.reschedule import reschedule
from commands.unit_of_work import Command, UnitOfWork, unit_of_work
from domain.jobs.job import Job, Versions
from domain.policies.catchup import CatchupPolicy
from domain.policies.overlap import Overlap
from domain.policies.retry import RetryPolicy
from domain.quotas.checks import check_target_size
from domain.schedules.edited import is_same
from domain.schedules.schedule import Schedule
from domain.targets import Target
from storage.cache.job_cache_entry import cache_entry_of
from storage.documents.job import JobResource
from storage.jobs.changes import change_from, change_job, lock_job, withdraw_to_come
from storage.jobs.rows import job_of
from storage.runs.claimed_runs import free_runs
from storage.services.secrets import hold_secrets


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
"""Makes the changes from the job as it is stored."""

# What a worker holds of a job whose run it has taken, and what the claim went by.
_HELD_BY_WORKERS = {"target", "retry", "overlap"}
_READ_ANEW = {*_HELD_BY_WORKERS, "catchup"}


class UpdateJob(Command, frozen=True, kw_only=True):
    """Attributes:
    changes: The changes, or a function that makes them from the locked job.
    versions: Of which the job must have one; None for any.
    """

    job_id: UUID
    changes: Changes | ChangesOf
    versions: Versions = None


@unit_of_work
async def update_job(command: UpdateJob, uow: UnitOfWork) -> Job:
    """Apply the changes; they hold for every run that has not begun to ring.

    What is stored already changes nothing, nor does an equal schedule.

    Raises:
        Invalid: When the new schedule breaks a rule or never fires, or it or the new target is more
            than the service may have, or the target refers to a secret that there is not.
        NotFound: When the service has no such job.
        PreconditionFailed: When it has none of the versions.
    """
    driver, now = await uow.begin(), command.now
    row = await lock_job(driver, command.service_id, command.job_id, command.versions)
    before = job_of(row, now)
    asked = command.changes if isinstance(command.changes, Changes) else command.changes(before)
    changed = _changed(asked, before)
    if not changed:
        # Whoever stored it so may not have told the cache yet.
        uow.changes_only(cache_entry_of(before, now))
        return before
    changes = {name: value for name, value in changed.items() if name != "reset_run_count"}
    if "target" in changed:
        check_target_size(changed["target"], command.caller.limits)
        await hold_secrets(driver, command.service_id, changed["target"])
    if "schedule" in changed or asked.reset_run_count:
        rescheduled = await reschedule(
            driver,
            row,
            changed.get("schedule", before.schedule),
            command.caller.limits,
            now,
            count_anew=asked.reset_run_count,
        )
        changes |= rescheduled.changes
        uow.wake_dispatchers(changes.get("next_claim_at"))
        uow.dispatch(rescheduled.runs)
    elif changed.keys() & _HELD_BY_WORKERS:
        changes |= await withdraw_to_come(driver, row, await change_from(driver, row, now))
        uow.wake_dispatchers(changes.get("next_claim_at"))
    if changed.keys() & _READ_ANEW:
        uow.dispatch(await free_runs(driver, row, changed.get("overlap")))
    job = await change_job(driver, row, now, **changes)
    uow.changes_only(cache_entry_of(job, now))
    await uow.audit(
        "job.updated",
        row["id"],
        changed=sorted(changed),
        before=_told(before, changed),
        after=_told(job, changed),
    )
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
