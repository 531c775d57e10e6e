"""Let runs go that would begin later than their jobs' catch-up windows allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
from msgspec import Struct

from commands.firing.overlap.uncount_runs import uncount
from commands.firing.take_runs import TakenRun
from domain.policies.catchup import TOLERANCE
from domain.policies.deferral import LONGEST_DEFERRAL
from storage.jobs.rows import decode_catchup
from storage.postgres.pools import Database, Driver
from storage.sql import statement

_LOCK_JOBS = statement("attempts/lock_jobs")
_MISS = statement("attempts/miss")

_Jobs = Mapping[tuple[UUID, UUID], asyncpg.Record]


class MissRuns(Struct, frozen=True, kw_only=True):
    """Attributes:
    runs: Those that `is_late`.
    """

    worker_id: UUID
    runs: Sequence[TakenRun]
    now: datetime


def is_late(run: TakenRun, now: datetime) -> bool:
    """Whether a run that begins now may be beyond its window, by what its worker knows."""
    return (
        run.due_at < now - TOLERANCE
        and run.number == 1
        and decode_catchup(run.catchup).misses(run.due_at, now)
    )


async def miss_runs(command: MissRuns, database: Database) -> set[UUID]:
    """End runs as missed whose windows are over, and return their ids; the others may begin.

    The others are not of their schedules, waited for their turns or their targets, or are of jobs
    that have another policy or are deleted by now.
    """
    async with database.driver() as driver, driver.transaction():
        rows = await _LOCK_JOBS.fetch(
            driver,
            service_ids=[run.service_id for run in command.runs],
            job_ids=[run.job_id for run in command.runs],
        )
        jobs = {(row["service_id"], row["id"]): row for row in rows}
        late = [(run, reason) for run in command.runs if (reason := _reason(run, jobs, command))]
        if not late:
            return set()
        missed = await _miss(driver, command, late)
        for key, job in jobs.items():
            times = [
                row["scheduled_for"] for row in missed if (row["service_id"], row["job_id"]) == key
            ]
            await uncount(driver, key[0], job, times)
    return {row["id"] for row in missed}


def _reason(run: TakenRun, jobs: _Jobs, command: MissRuns) -> str | None:
    job = jobs.get((run.service_id, run.job_id))
    policy = None if job is None else decode_catchup(job["catchup"])
    if policy is None or not policy.misses(run.due_at, command.now):
        return None
    late = (command.now - run.due_at).total_seconds()
    window = policy.window.total_seconds()
    return f"It would have begun {late:.1f} s late; its catch-up window is {window:g} s."


async def _miss(
    driver: Driver, command: MissRuns, late: Sequence[tuple[TakenRun, str]]
) -> list[asyncpg.Record]:
    fire_times = [run.scheduled_for for run, _ in late]
    return await _MISS.fetch(
        driver,
        worker_id=command.worker_id,
        service_ids=[run.service_id for run, _ in late],
        job_ids=[run.job_id for run, _ in late],
        fire_times=fire_times,
        run_ids=[run.id for run, _ in late],
        due_at=[run.due_at for run, _ in late],
        reasons=[reason for _, reason in late],
        now=command.now,
        first=min(fire_times),
        last=max(fire_times),
        deferred_before=command.now - LONGEST_DEFERRAL,
    )
