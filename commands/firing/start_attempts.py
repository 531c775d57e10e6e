"""Begin attempts, in the last moment at which an edit of the job could still win."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from commands.firing.take_runs import TakenRun
from domain.policies.overlap import Overlap
from domain.runs.run import RunState
from storage.postgres.pools import Database, Driver
from storage.runs.fences import still_fenced
from storage.sql import SqlFile, statement

START = statement("attempts/start")
START_IN_ORDER = statement("attempts/start_in_order")


class StartAttempts(Struct, frozen=True, kw_only=True):
    """Attributes:
    runs: At most one of each job whose runs take turns (workers/worker/fair_queue.py).
    """

    worker_id: UUID
    runs: Sequence[TakenRun]
    now: datetime


async def start_attempts(command: StartAttempts, database: Database) -> set[UUID]:
    """Move runs to running, and return the ids of those that may ring.

    Of each of the others, either another run of its job has the lock, or it was paused, edited,
    deleted or rescued since this worker took it.
    """
    in_order = [run for run in command.runs if run.overlap is Overlap.BUFFER_ALL]
    others = [run for run in command.runs if run.overlap is not Overlap.BUFFER_ALL]
    async with database.driver() as driver:
        started = await _started(driver, START, command, others) if others else set()
        if in_order:
            started |= await _started(driver, START_IN_ORDER, command, in_order)
    return started


async def begun_attempts(command: StartAttempts, database: Database) -> set[UUID]:
    """The ids of the runs that have begun, when the answer to `start_attempts` was lost."""
    fences = [run.fence(command.worker_id, RunState.RUNNING) for run in command.runs]
    async with database.driver() as driver:
        return await still_fenced(driver, fences)


async def _started(
    driver: Driver, start: SqlFile, command: StartAttempts, runs: Sequence[TakenRun]
) -> set[UUID]:
    fire_times = [run.scheduled_for for run in runs]
    rows = await start.fetch(
        driver,
        worker_id=command.worker_id,
        service_ids=[run.service_id for run in runs],
        job_ids=[run.job_id for run in runs],
        fire_times=fire_times,
        run_ids=[run.id for run in runs],
        numbers=[run.number for run in runs],
        due_at=[run.due_at for run in runs],
        take_locks=[run.overlap is not Overlap.ALLOW_ALL for run in runs],
        now=command.now,
        first=min(fire_times),
        last=max(fire_times),
    )
    return {row["id"] for row in rows}
