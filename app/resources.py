"""What clients are answered: instants in UTC with microseconds, durations in ISO 8601."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Generic, TypeVar, cast
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from domain.job import HttpTarget, Job, JobState
from domain.retry import RetryPolicy
from domain.run import Attempt, Outcome, Run, RunState, Trigger
from domain.schedule import Schedule

Item = TypeVar("Item")
Instant = Annotated[datetime, Meta(examples=["2026-11-24T03:00:00.000000Z"])]


class Page(Struct, Generic[Item], frozen=True, kw_only=True):
    """A page of a list; `next_cursor` is null on the last one."""

    items: list[Item]
    next_cursor: str | None


class ScheduleResource(Struct, frozen=True, kw_only=True):
    """When a job fires."""

    at: Instant | UnsetType = UNSET
    after: timedelta | UnsetType = UNSET
    every: timedelta | UnsetType = UNSET
    cron: str | UnsetType = UNSET
    timezone: str

    @classmethod
    def of(cls, schedule: Schedule) -> ScheduleResource:
        return cls(
            at=UNSET if schedule.at is None else instant(schedule.at),
            after=_or_unset(schedule.after),
            every=_or_unset(schedule.every),
            cron=_or_unset(schedule.cron),
            timezone=schedule.timezone,
        )


class HttpTargetResource(Struct, frozen=True, kw_only=True, tag_field="type", tag="http"):
    """The HTTP request that a run makes."""

    url: str
    method: str
    headers: dict[str, str]
    body: Annotated[msgspec.Raw, Meta(extra_json_schema={})] | UnsetType = UNSET
    timeout: timedelta

    @classmethod
    def of(cls, target: HttpTarget) -> HttpTargetResource:
        return cls(
            url=target.url,
            method=target.method,
            headers=target.headers,
            body=target.body,
            timeout=target.timeout,
        )


class JobResource(Struct, frozen=True, kw_only=True):
    """A job."""

    id: UUID
    name: str
    description: str
    tags: list[str]
    schedule: ScheduleResource
    target: HttpTargetResource
    retry: RetryPolicy
    state: JobState
    next_fire_at: Instant | None
    version: int
    created_at: Instant
    updated_at: Instant

    @classmethod
    def of(cls, job: Job) -> JobResource:
        return cls(
            id=job.id,
            name=job.name,
            description=job.description,
            tags=job.tags,
            schedule=ScheduleResource.of(job.schedule),
            target=HttpTargetResource.of(job.target),
            retry=job.retry,
            state=job.state,
            next_fire_at=_instant_or_none(job.next_fire_at),
            version=job.version,
            created_at=instant(job.created_at),
            updated_at=instant(job.updated_at),
        )


class JobPage(Page[JobResource], frozen=True, kw_only=True):
    """A page of jobs, newest first; `next_cursor` is null on the last one."""


class RunResource(Struct, frozen=True, kw_only=True):
    """A run: one firing of a job."""

    id: UUID
    job_id: UUID
    state: RunState
    trigger: Trigger
    scheduled_for: Instant
    due_at: Instant
    started_at: Instant | None
    finished_at: Instant | None
    lateness_ms: float | None
    attempt_count: int

    @classmethod
    def of(cls, run: Run) -> RunResource:
        return cls(
            id=run.id,
            job_id=run.job_id,
            state=run.state,
            trigger=run.trigger,
            scheduled_for=instant(run.scheduled_for),
            due_at=instant(run.due_at),
            started_at=_instant_or_none(run.started_at),
            finished_at=_instant_or_none(run.finished_at),
            lateness_ms=run.lateness_ms,
            attempt_count=run.attempt_count,
        )


class RunPage(Page[RunResource], frozen=True, kw_only=True):
    """A page of runs, newest first; `next_cursor` is null on the last one."""


class AttemptResource(Struct, frozen=True, kw_only=True):
    """One try of a run at its target; `outcome` is null while it rings."""

    number: int
    started_at: Instant
    finished_at: Instant | None
    outcome: Outcome | None
    status_code: int | None
    error: str | None
    response_excerpt: str | None

    @classmethod
    def of(cls, attempt: Attempt) -> AttemptResource:
        return cls(
            number=attempt.number,
            started_at=instant(attempt.started_at),
            finished_at=_instant_or_none(attempt.finished_at),
            outcome=attempt.outcome,
            status_code=attempt.status_code,
            error=attempt.error,
            response_excerpt=attempt.response_excerpt,
        )


class RunDetailResource(RunResource, frozen=True, kw_only=True):
    """A run with its attempts."""

    attempts: list[AttemptResource]

    @classmethod
    def with_attempts(cls, run: Run, attempts: list[Attempt]) -> RunDetailResource:
        return cls(
            **msgspec.structs.asdict(RunResource.of(run)),
            attempts=[AttemptResource.of(attempt) for attempt in attempts],
        )


def instant(value: datetime) -> datetime:
    """What will be encoded as RFC 3339 in UTC with `Z` and microseconds."""
    in_utc = value if value.tzinfo is UTC else value.astimezone(UTC)
    if in_utc.microsecond:
        return in_utc
    # The encoder, which is much faster, would leave out microseconds that are zero. It takes the
    # text as it is.
    return cast("datetime", in_utc.isoformat(timespec="microseconds")[:-6] + "Z")


def _instant_or_none(value: datetime | None) -> datetime | None:
    return None if value is None else instant(value)


Value = TypeVar("Value")


def _or_unset(value: Value | None) -> Value | UnsetType:
    return UNSET if value is None else value
