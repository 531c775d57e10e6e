"""The commands that change a job, each with the same few arguments."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from commands.jobs.delete_job import DeleteJob, delete_job
from commands.jobs.pause_job import PauseJob, pause_job
from commands.jobs.resume_job import ResumeJob, resume_job
from commands.jobs.trigger_job import TriggerJob, trigger_job
from commands.jobs.update_job import Changes, UpdateJob, update_job
from domain.access.caller import Caller
from domain.jobs.job import Job
from domain.runs.run import Run
from domain.targets.kinds.http import HttpTarget
from storage.shards import Shards
from tests.commands.firing import NOON

NEW_TARGET = HttpTarget(url="https://example.com/moved")
Change = Callable[[Shards, Caller, UUID], Awaitable[Any]]


async def pause(shards: Shards, caller: Caller, job_id: UUID, now: datetime = NOON) -> Job:
    return await pause_job(PauseJob(caller=caller, job_id=job_id, now=now), shards)


async def resume(shards: Shards, caller: Caller, job_id: UUID, now: datetime = NOON) -> Job:
    return await resume_job(ResumeJob(caller=caller, job_id=job_id, now=now), shards)


async def delete(shards: Shards, caller: Caller, job_id: UUID, now: datetime = NOON) -> None:
    await delete_job(DeleteJob(caller=caller, job_id=job_id, now=now), shards)


async def trigger(shards: Shards, caller: Caller, job_id: UUID, now: datetime = NOON) -> Run:
    return await trigger_job(TriggerJob(caller=caller, job_id=job_id, now=now), shards)


async def retarget(shards: Shards, caller: Caller, job_id: UUID) -> Job:
    return await update(shards, caller, job_id, target=NEW_TARGET)


async def rename(shards: Shards, caller: Caller, job_id: UUID) -> Job:
    return await update(shards, caller, job_id, name="renamed")


async def update(
    shards: Shards, caller: Caller, job_id: UUID, now: datetime = NOON, **changes: Any
) -> Job:
    command = UpdateJob(caller=caller, job_id=job_id, changes=Changes(**changes), now=now)
    return await update_job(command, shards)
