"""Change a job."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import asdict
from sqlalchemy import RowMapping

from domain.caller import Caller
from domain.catchup import CatchupPolicy, Outcome
from domain.errors import within
from domain.job import Job, Versions
from domain.limits import Limits
from domain.overlap import Overlap
from domain.quotas import FIRE_TIMES, check_frequency, check_target_size
from domain.resources.job import JobResource
from domain.retry import RetryPolicy
from domain.schedules.checks import check_schedule
from domain.schedules.schedule import TICK, Schedule, first_moment
from domain.targets import Target
from storage.audit import record
from storage.calendars import full_schedule
from storage.handing_over import hand_over_soon
from storage.job_changes import (
    begin_pause,
    change_from,
    change_job,
    end_pause,
    free_runs,
    lock_job,
    reckon_after,
    stored_schedule,
    untell,
    withdraw_past,
    withdraw_to_come,
    write_account,
)
from storage.job_entries import entry_of
from storage.jobs import job_of
from storage.queue import RunKey
from storage.reckoning import elsewhere
from storage.secrets import hold_secrets
from storage.shards import Shards
from storage.shared_cache import NewEntry
from storage.transactions import WriteConnection, driver_of


class Changes(Struct, frozen=True, kw_only=True):
    """What is set replaces what is stored."""

    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    tags: list[str] | UnsetType = UNSET
    schedule: Schedule | UnsetType = UNSET
    target: Target | UnsetType = UNSET
    retry: RetryPolicy | UnsetType = UNSET
    overlap: Overlap | UnsetType = UNSET
    catchup: CatchupPolicy | UnsetType = UNSET


# What a worker holds of a job whose run it has taken, and what the claim went by.
_TOLD_TO_WORKERS = {"target", "retry", "overlap"}


class UpdateJob(Struct, frozen=True, kw_only=True):
    """Attributes:
    versions: Of which the job must have one; None for any.
    """

    caller: Caller
    job_id: UUID
    changes: Changes
    now: datetime
    versions: Versions = None


async def update_job(command: UpdateJob, shards: Shards) -> Job:
    """Apply the changes; they hold for every run that has not begun to ring.

    Raises:
        Invalid: When the new schedule breaks a rule or never fires, or it or the new target is more
            than the service may have, or the target refers to a secret that there is not.
        NotFound: When the service has no such job.
        PreconditionFailed: When it has none of the versions.
    """
    limits = command.caller.limits
    if not isinstance(command.changes.target, UnsetType):
        check_target_size(command.changes.target, limits)
    changed = {name: value for name, value in asdict(command.changes).items() if value is not UNSET}
    changes = dict(changed)
    freed: list[RunKey] = []
    service_id = command.caller.service_id
    shard = shards.of(service_id)
    made: list[NewEntry] = []
    async with shard.writing(service_id, made) as connection:
        row = await lock_job(connection, service_id, command.job_id, command.versions)
        if not isinstance(command.changes.target, UnsetType):
            await hold_secrets(await driver_of(connection), service_id, command.changes.target)
        if isinstance(command.changes.schedule, Schedule):
            changes |= await reschedule(
                connection, row, command.changes.schedule, limits, command.now
            )
        elif changes.keys() & _TOLD_TO_WORKERS:
            since = await change_from(connection, row, command.now)
            changes |= await withdraw_to_come(connection, row, since)
        if changes.keys() & _TOLD_TO_WORKERS:
            told = {"overlap": changed["overlap"]} if "overlap" in changed else {}
            freed = await free_runs(connection, row, **told)
        job = await change_job(connection, row, command.now, **changes)
        made.append(entry_of(job, command.now))
        await record(
            connection,
            command.caller,
            "job.updated",
            row["id"],
            command.now,
            changed=sorted(changed),
            before=_told(job_of(row, command.now), changed),
            after=_told(job, changed),
        )
    await shard.wake_for(changes.get("next_claim_at"), command.now)
    await hand_over_soon(shard, freed)
    return job


def _told(job: Job, changed: Collection[str]) -> dict[str, object]:
    """What the audit tells of a job; of a target only that it changed, as it may hold secrets."""
    resource = JobResource.of(job)
    return {name: getattr(resource, name) for name in sorted(changed) if name != "target"}


def _check(schedule: Schedule, limits: Limits) -> None:
    check_schedule(schedule)
    check_frequency(schedule, limits)


async def reschedule(
    connection: WriteConnection,
    row: RowMapping,
    schedule: Schedule,
    limits: Limits,
    now: datetime,
) -> dict[str, Any]:
    """Give a locked job another schedule; the ledger tells what became of the old one's times.

    Returns:
        The changes to the job's row.

    Raises:
        Invalid: When the new schedule breaks a rule or never fires.
    """
    schedule = msgspec.structs.replace(schedule, seed=str(row["id"]))
    with within("/schedule"):
        driver = await driver_of(connection)
        full = await full_schedule(driver, row["service_id"], schedule, lock=True)
        await elsewhere(full, partial(_check, full, limits), times=FIRE_TIMES)
    old = await stored_schedule(connection, row)
    # What the old one names at this very instant is left to the new one.
    asked_from = min(now - TICK, first_moment(schedule))
    start = await change_from(connection, row, asked_from)
    await withdraw_past(connection, row, start, Outcome.CANCELLED)
    withdrawn = await withdraw_to_come(connection, row, start)
    await untell(connection, row, old, start)
    following = await reckon_after(full, start)
    if following["next_fire_for"] is None:
        # All that it names lies before what a claim told meanwhile: it is late, and not lost.
        following = await reckon_after(full, asked_from)
    changes = {
        **following,
        "schedule": schedule,
        "calendars": list(schedule.calendars),
        "run_count": 0,
    }
    if row["paused"]:
        await end_pause(connection, row, old, start)
        await begin_pause(connection, row, full, start)
        return changes | {"next_fire_for": None, "next_claim_at": None}
    await write_account(connection, row, old, Outcome.CANCELLED, until=start, changes=withdrawn)
    return changes
