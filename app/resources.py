"""What clients are answered: instants in UTC with microseconds, durations in ISO 8601."""

from __future__ import annotations

from datetime import timedelta, timezone
from typing import Generic, TypeVar
from uuid import UUID

import msgspec
from msgspec import Struct

from app.schedule_resources import CalendarResource
from domain.backfill import Backfill, BackfillState, DryRun
from domain.catchup import Outcome as FireOutcome
from domain.overlap import Overlap
from domain.resources.instants import Instant, LocalTime, instant, instant_or_none
from domain.resources.job import JobResource
from domain.run import Attempt, Outcome, Run, RunState, Trigger
from queries.get_ledger import LedgerEntry
from queries.run_told import Told

Item = TypeVar("Item")


class Page(Struct, Generic[Item], frozen=True, kw_only=True):
    """A page of a list; `next_cursor` is null on the last one."""

    items: list[Item]
    next_cursor: str | None


class JobPage(Page[JobResource], frozen=True, kw_only=True):
    """A page of jobs; it may be short, and only the last one has null as `next_cursor`."""


class RunResource(Struct, frozen=True, kw_only=True):
    """A run: one firing of a job."""

    id: UUID
    job_id: UUID
    state: RunState
    trigger: Trigger
    scheduled_for: Instant
    local_time: LocalTime
    due_at: Instant
    started_at: Instant | None
    finished_at: Instant | None
    lateness_ms: float | None
    overlap_wait_ms: float | None
    attempt_count: int
    reason: str | None

    @classmethod
    def of(cls, run: Run) -> RunResource:
        return cls(
            id=run.id,
            job_id=run.job_id,
            state=run.state,
            trigger=run.trigger,
            scheduled_for=instant(run.scheduled_for),
            local_time=run.scheduled_for.astimezone(timezone(timedelta(seconds=run.utc_offset))),
            due_at=instant(run.due_at),
            started_at=instant_or_none(run.started_at),
            finished_at=instant_or_none(run.finished_at),
            lateness_ms=run.lateness_ms,
            overlap_wait_ms=run.overlap_wait_ms,
            attempt_count=run.attempt_count,
            reason=run.reason,
        )


class ListedRunResource(RunResource, frozen=True, kw_only=True):
    """A run in a list, with the name of its job and how its last attempt ended.

    `job_name` is null once the job is deleted.
    """

    job_name: str | None
    status_code: int | None
    error: str | None

    @classmethod
    def told(cls, run: Run, told: Told) -> ListedRunResource:
        return cls(
            **msgspec.structs.asdict(RunResource.of(run)),
            job_name=told.job_name,
            status_code=told.status_code,
            error=told.error,
        )


class RunPage(Page[ListedRunResource], frozen=True, kw_only=True):
    """A page of runs; it may be short, and only the last one has null as `next_cursor`."""


class LedgerEntryResource(Struct, frozen=True, kw_only=True):
    """What became of a fire time, or of several up to `until`; `count` is null if uncounted."""

    scheduled_for: Instant
    until: Instant | None
    outcome: FireOutcome
    run_id: UUID | None
    count: int | None

    @classmethod
    def of(cls, entry: LedgerEntry) -> LedgerEntryResource:
        return cls(
            scheduled_for=instant(entry.scheduled_for),
            until=instant_or_none(entry.until),
            outcome=entry.outcome,
            run_id=entry.run_id,
            count=entry.count,
        )


class LedgerPage(Page[LedgerEntryResource], frozen=True, kw_only=True):
    """A page of the ledger, oldest first; `next_cursor` is null on the last one."""


class CalendarPage(Page[CalendarResource], frozen=True, kw_only=True):
    """A page of calendars by name; `next_cursor` is null on the last one."""


class BackfillResource(Struct, frozen=True, kw_only=True):
    """A backfill: `done` of `total` fire times were looked at, and `run` of them got a run.

    `continues_at` is where a dry run stopped counting, if the whole range costs too much.
    """

    id: UUID | None
    job_id: UUID
    start: Instant
    end: Instant
    overlap: Overlap
    only_missing: bool
    runs_per_minute: int
    dry_run: bool
    state: BackfillState
    total: int
    done_count: int
    run_count: int
    created_at: Instant
    finished_at: Instant | None
    continues_at: Instant | None

    @classmethod
    def of(cls, backfill: Backfill) -> BackfillResource:
        dry_run = isinstance(backfill, DryRun)
        return cls(
            id=None if dry_run else backfill.id,
            job_id=backfill.job_id,
            start=instant(backfill.start_at),
            end=instant(backfill.end_at),
            overlap=backfill.overlap,
            only_missing=backfill.only_missing,
            runs_per_minute=backfill.runs_per_minute,
            dry_run=dry_run,
            state=backfill.state,
            total=backfill.total,
            done_count=backfill.done_count,
            run_count=backfill.run_count,
            created_at=instant(backfill.created_at),
            finished_at=instant_or_none(backfill.finished_at),
            continues_at=instant_or_none(getattr(backfill, "continues_at", None)),
        )


class BackfillPage(Page[BackfillResource], frozen=True, kw_only=True):
    """A page of backfills, newest first; `next_cursor` is null on the last one."""


class BulkResource(Struct, frozen=True, kw_only=True):
    """How many runs a bulk command changed, and whether there may be more of them."""

    count: int
    more: bool


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
            finished_at=instant_or_none(attempt.finished_at),
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
