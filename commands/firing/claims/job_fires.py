"""What becomes of one job's fire times within a claim, and of its row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
from msgspec import Struct

from commands.firing.claims.claim_budget import ClaimWork, is_plain
from domain.policies.catchup import Plan, Stretch
from domain.policies.catchup_plan import PLAN_STEPS, plan
from domain.schedules.edited import counted_after
from domain.schedules.fire_times import due_time, is_excluded, next_fire_time
from domain.schedules.kinds.work import Budget
from domain.schedules.schedule import Exclusion, Schedule, utc_offset, with_calendars
from storage.jobs.last_runs import LOOK_AGAIN, look_again_after
from storage.jobs.rows import decode_catchup, decode_schedule

RUNS_OF_A_JOB_AT_ONCE = 100


class JobFires(Struct, frozen=True):
    """Attributes:
    waits_since: For a job that has had all its runs: the instant after which they count.
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


async def fires_of(
    job: asyncpg.Record,
    calendars: Mapping[str, tuple[Exclusion, ...]],
    told: Sequence[datetime] = (),
    *,
    now: datetime,
    until: datetime,
    work: ClaimWork,
) -> JobFires:
    """Decide on the fire times of a locked job up to `until`.

    Args:
        calendars: What its service's calendars hold.
        told: Fire times that have their run already.
        work: Of the claim so far; where it is too much, the job is set aside for a later claim.
    """
    schedule = with_calendars(decode_schedule(job["schedule"]), calendars)
    # With `told`, the job is planned for the second time: set aside now, it would be every time.
    if not told and work.is_used_up(job["service_id"], schedule):
        return as_it_is(job, now, until + work.rest(job["service_id"]))
    fires = _fires(job, schedule, told, now, until, work)
    if not is_plain(schedule):
        await work.note(job["service_id"], schedule)
    return fires


def _fires(  # noqa: PLR0917 (a claim, and what it knows of one job)
    job: asyncpg.Record,
    schedule: Schedule,
    told: Sequence[datetime],
    now: datetime,
    until: datetime,
    work: ClaimWork,
) -> JobFires:
    most, first = schedule.max_runs, job["next_fire_for"]
    if most is not None and first <= job["accounted_to"]:
        # It has had all its runs; if one was uncounted since, it goes on after the last.
        first = next_fire_time(schedule, after=job["accounted_to"])
        if job["run_count"] >= most or first is None:
            return _waiting(job, schedule, now, until)
    budget = Budget(schedule.work, PLAN_STEPS)
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
        budget=budget,
    )
    upcoming = made.next_fire_for
    due = [due_time(schedule, instant, budget=budget) for instant in made.runs]
    claim_at = upcoming and due_time(schedule, upcoming, budget=budget)
    if claim_at and claim_at <= until and _is_costly(schedule, made, budget):
        claim_at = until + work.rest(job["service_id"])
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


def _is_costly(schedule: Schedule, made: Plan, budget: Budget) -> bool:
    """Whether the plan ended early because it cost too much: the job must not go on at once."""
    stopped_at = made.next_fire_for
    return budget.is_spent or (stopped_at is not None and is_excluded(schedule, stopped_at))


def _waiting(job: asyncpg.Record, schedule: Schedule, now: datetime, until: datetime) -> JobFires:
    """A job that has had all its runs makes none; it is looked at again until they have ended."""
    again = until + look_again_after(now - job["next_fire_for"])
    return as_it_is(job, now, again, waits_since=counted_after(schedule))


def as_it_is(
    job: asyncpg.Record,
    now: datetime,
    next_claim_at: datetime,
    *,
    waits_since: datetime | None = None,
) -> JobFires:
    """A job of which nothing is decided in this claim."""
    return JobFires(
        service_id=job["service_id"],
        job_id=job["id"],
        overlap=job["overlap"],
        instants=[],
        due=[],
        offsets=[],
        unrun=[],
        next_fire_for=job["next_fire_for"],
        next_claim_at=next_claim_at,
        accounted_to=job["accounted_to"],
        claimed_for=_still_to_come(job, now),
        run_count=job["run_count"],
        waits_since=waits_since,
    )


def _still_to_come(job: asyncpg.Record, now: datetime) -> list[datetime]:
    return [instant for instant in job["claimed_for"] if instant > now]
