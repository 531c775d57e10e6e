"""What becomes of one job's fire times within a claim, and of its row."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
from msgspec import Struct

from domain.catchup import Stretch, plan
from domain.schedules.schedule import (
    Schedule,
    due_time,
    first_moment,
    next_fire_time,
    utc_offset,
)
from storage.jobs import decode_catchup, schedule_of
from storage.last_runs import LOOK_AGAIN, look_again_after

RUNS_OF_A_JOB_AT_ONCE = 100


class JobFires(Struct, frozen=True):
    """Attributes:
    waits_since: Of a job that has had its runs: after when they were.
    """

    service_id: UUID
    job_id: UUID
    overlap: str
    instants: list[datetime]
    due: list[datetime]
    offsets: list[int]
    unrun: list[Stretch]
    next_fire_for: datetime | None
    next_claim_at: datetime | None
    accounted_to: datetime
    claimed_for: list[datetime]
    run_count: int
    waits_since: datetime | None = None


def fires_of(
    job: asyncpg.Record,
    calendars: str | None,
    told: Sequence[datetime] = (),
    *,
    now: datetime,
    until: datetime,
) -> JobFires:
    """Decide on the fire times of a locked job up to `until`.

    Args:
        calendars: What its calendars hold, if its schedule names some.
        told: Fire times that have their run already.
    """
    schedule = schedule_of(job["schedule"], calendars)
    most, first = schedule.max_runs, job["next_fire_for"]
    if most is not None and first <= job["accounted_to"]:
        # It had its runs. If one was given back, it goes on behind them.
        first = next_fire_time(schedule, after=job["accounted_to"])
        if job["run_count"] >= most or first is None:
            return _waiting(job, schedule, now, until)
    made = plan(
        schedule,
        decode_catchup(job["catchup"]),
        accounted_to=job["accounted_to"],
        next_fire_for=first,
        now=now,
        until=until,
        limit=RUNS_OF_A_JOB_AT_ONCE,
        runs_left=None if most is None else max(most - job["run_count"], 1),
        told=told,
    )
    upcoming = made.next_fire_for
    due = [due_time(schedule, instant) for instant in made.runs]
    claim_at = upcoming and due_time(schedule, upcoming)
    run_count = job["run_count"] + (0 if most is None else len(made.runs))
    if most is not None and run_count >= most:
        upcoming, claim_at = made.accounted_to, max([until, *due]) + LOOK_AGAIN
    return JobFires(
        service_id=job["service_id"],
        job_id=job["id"],
        overlap=job["overlap"],
        instants=made.runs,
        due=due,
        offsets=[utc_offset(schedule, instant) for instant in made.runs],
        unrun=made.unrun,
        next_fire_for=upcoming,
        next_claim_at=claim_at,
        accounted_to=made.accounted_to,
        claimed_for=[*_still_to_come(job, now), *made.runs],
        run_count=run_count,
    )


def _waiting(job: asyncpg.Record, schedule: Schedule, now: datetime, until: datetime) -> JobFires:
    """A job that has had its runs makes none, and is looked at again until they are over."""
    last = job["next_fire_for"]
    return JobFires(
        service_id=job["service_id"],
        job_id=job["id"],
        overlap=job["overlap"],
        instants=[],
        due=[],
        offsets=[],
        unrun=[],
        next_fire_for=last,
        next_claim_at=until + look_again_after(now - last),
        accounted_to=job["accounted_to"],
        claimed_for=_still_to_come(job, now),
        run_count=job["run_count"],
        waits_since=first_moment(schedule),
    )


def _still_to_come(job: asyncpg.Record, now: datetime) -> list[datetime]:
    return [instant for instant in job["claimed_for"] if instant > now]
