"""Takes skipped and missed runs off the number of runs that a job has had."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from domain.schedules.edited import count_of
from domain.schedules.fire_times import due_time, next_fire_time
from storage.jobs.rows import schedule_of
from storage.postgres.pools import Driver
from storage.sql import statement

_UNCOUNT = statement("overlap/uncount")


async def uncount(
    driver: Driver, service_id: UUID, job: asyncpg.Record, fire_times: Sequence[datetime]
) -> None:
    """Take runs off a locked job's count; a job that had used up `max_runs` goes on."""
    if not fire_times:
        return
    schedule = schedule_of(job["schedule"], job["calendars"])
    counted = count_of(schedule, fire_times)
    if not counted or schedule.max_runs is None or job["run_count"] == 0:
        return
    upcoming = job["next_fire_for"]
    if job["run_count"] >= schedule.max_runs and not job["paused"]:
        upcoming = next_fire_time(schedule, after=job["accounted_to"])
    due = upcoming and due_time(schedule, upcoming)
    await _UNCOUNT.execute(
        driver,
        service_id=service_id,
        job_id=job["id"],
        next_fire_for=upcoming,
        next_claim_at=due,
        count=counted,
    )
