"""Runs and their attempts, the ledger, and which runs a bulk command means."""

from __future__ import annotations

from datetime import timedelta, timezone
from typing import Annotated, ClassVar
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from app.schemas.examples import Example, Examples
from app.schemas.pages import Page
from domain.durations import AwareInstant, instant_of
from domain.errors import Invalid
from domain.filters.run_filter import RunFilter
from domain.policies.catchup import Outcome as FireOutcome
from domain.runs.run import Attempt, Outcome, Run, RunState, Trigger
from queries.jobs.get_ledger import LedgerRow
from queries.runs.last_attempts import RunDetails
from storage.documents.instants import Instant, LocalTime, instant, instant_or_none


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
    def told(cls, run: Run, told: RunDetails) -> ListedRunResource:
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
    def of(cls, entry: LedgerRow) -> LedgerEntryResource:
        return cls(
            scheduled_for=instant(entry.scheduled_for),
            until=instant_or_none(entry.until),
            outcome=entry.outcome,
            run_id=entry.run_id,
            count=entry.count,
        )


class LedgerPage(Page[LedgerEntryResource], frozen=True, kw_only=True):
    """A page of the ledger, oldest first; `next_cursor` is null on the last one."""


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


class ChosenRunsBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which runs: a filter, or `all` of them; what is left out of a filter narrows nothing."""

    EXAMPLES: ClassVar[Examples] = (
        Example(
            "since",
            "Those of fire times since then",
            {"since": "2026-11-24T03:00:00Z", "limit": 100},
        ),
    )

    state: RunState | None = None
    trigger: Trigger | None = None
    job_id: UUID | None = None
    since: AwareInstant | None = None
    before: AwareInstant | None = None
    all: bool = False
    limit: Annotated[int, Meta(ge=1, le=1_000)] = 1_000

    def chosen(self) -> RunFilter:
        """The filter.

        Raises:
            Invalid: With a pointer into this body, or when it narrows nothing and does not say so.
        """
        narrowed = (self.state, self.trigger, self.job_id, self.since, self.before)
        filtered = any(value is not None for value in narrowed)
        if not filtered and not self.all:
            raise Invalid(
                "Give at least one of state, trigger, job_id, since and before, such as"
                ' {"job_id": "01937b5c-8a00-7000-8000-000000000000"}; or {"all": true}.'
            )
        if filtered and self.all:
            raise Invalid("Give either a filter or `all`, not both.", "/all")
        return RunFilter(
            states=() if self.state is None else (self.state,),
            trigger=self.trigger,
            job_id=self.job_id,
            since=self.since and instant_of(self.since, "/since"),
            before=self.before and instant_of(self.before, "/before"),
        )

    def chosen_to_replay(self) -> RunFilter:
        """The filter, of failed runs.

        Raises:
            Invalid: As `chosen`, and when it names another state: nothing but dead letters is
                replayed in bulk.
        """
        if self.state not in {None, RunState.FAILED}:
            raise Invalid(
                "In bulk, only failed runs are replayed; leave it out, or replay others one by one"
                " with POST /runs/{run_id}/replay.",
                "/state",
            )
        return self.chosen()


class BulkResource(Struct, frozen=True, kw_only=True):
    """How many runs a bulk command changed, and whether there may be more of them."""

    count: int
    more: bool
