"""Let runs go that would begin later than their jobs' catch-up windows allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
from msgspec import Struct

from commands.take_runs import TakenRun
from commands.uncount_runs import uncount
from domain.catchup import TOLERANCE
from domain.deferral import LONGEST_DEFERRAL
from storage.jobs import CALENDARS_OF_JOB, decode_catchup
from storage.partitions import looked_up
from storage.postgres import Database, Driver
from storage.run_events import ENDED, event_of

# Locked in one order, as wherever several jobs are.
_JOBS = f"""
SELECT service_id, id, schedule, catchup, paused, run_count, next_fire_for, accounted_to,
    {CALENDARS_OF_JOB} AS calendars
FROM jobs
WHERE (service_id, id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[]))
ORDER BY service_id, id
FOR UPDATE OF jobs
"""

# What has its job's turn waited for it, by its own policy; what was put off waited for its target
# (commands/defer_runs.py), which it does for so long and no longer.
_MISS = f"""
WITH late AS MATERIALIZED (
    SELECT *
    FROM unnest($2::uuid[], $3::uuid[], $4::timestamptz[], $5::uuid[], $6::timestamptz[],
        $7::text[]) AS run (service_id, job_id, scheduled_for, id, due_at, reason)
), ended_runs AS (
    UPDATE runs
    SET state = 'missed', open = false, held_by = NULL, finished_at = $8, reason = late.reason
    FROM late
    WHERE {looked_up("late", "$9", "$10")} AND runs.job_id = late.job_id
        AND runs.scheduled_for = late.scheduled_for AND runs.id = late.id
        AND runs.held_by = $1 AND runs.due_at = late.due_at
        AND runs.state = 'queued' AND runs.attempt_count = 0 AND runs.trigger = 'schedule'
        AND (runs.attempt_started_at IS NULL OR runs.due_at < $11)
        AND NOT EXISTS (
            SELECT FROM turns
            WHERE turns.service_id = late.service_id AND turns.job_id = late.job_id
                AND turns.run_id = late.id
        )
    RETURNING {ENDED}, runs.id, runs.scheduled_for
), event AS ({event_of("ended_runs")})
SELECT service_id, job_id, id, scheduled_for FROM ended_runs
"""

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
        service_ids = [run.service_id for run in command.runs]
        rows = await driver.fetch(_JOBS, service_ids, [run.job_id for run in command.runs])
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
    return await driver.fetch(
        _MISS,
        command.worker_id,
        [run.service_id for run, _ in late],
        [run.job_id for run, _ in late],
        fire_times,
        [run.id for run, _ in late],
        [run.due_at for run, _ in late],
        [reason for _, reason in late],
        command.now,
        min(fire_times),
        max(fire_times),
        command.now - LONGEST_DEFERRAL,
    )
