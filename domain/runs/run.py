"""A run: one firing of one job at one fire time, and the attempts it takes."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from msgspec import Struct


class RunState(StrEnum):
    """Where a run stands. Every transition is one conditional UPDATE.

    A run is *open* until it ends as succeeded, failed or cancelled, or is let go.
    """

    SCHEDULED = "scheduled"
    """Claimed ahead by a dispatcher, or written by a trigger. If its message is lost or its
    dispatcher dies, the sweep hands it over again."""
    QUEUED = "queued"
    """Owned by a worker process, which waits for the due instant. If the worker dies, the rescue
    gives the run back as scheduled or retrying."""
    RUNNING = "running"
    """An attempt rings the target. If the worker dies, the rescue ends the attempt as abandoned
    and the retry policy decides."""
    RETRYING = "retrying"
    """An attempt failed; the next is due at `due_at` and is claimed like a scheduled run."""
    SUCCEEDED = "succeeded"
    """The target answered 2xx. Final."""
    FAILED = "failed"
    """The last attempt failed. Final."""
    CANCELLED = "cancelled"
    """Somebody cancelled it, the job was deleted, or a later run of the job took its place; an
    attempt that rang was cut off. Final."""
    SKIPPED_OVERLAP = "skipped_overlap"
    """An earlier run of the job was still active and the overlap policy let this one go. Final."""
    MISSED = "missed"
    """It was claimed in time, and its worker could begin it only when its job's catch-up window was
    over. Final."""


class Trigger(StrEnum):
    """What made a run."""

    SCHEDULE = "schedule"
    MANUAL = "manual"
    BACKFILL = "backfill"
    REPLAY = "replay"


class Outcome(StrEnum):
    """How an attempt ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """The target could not be reached, or answered other than 2xx."""
    TIMED_OUT = "timed_out"
    """The target did not answer within the target's timeout."""
    ABANDONED = "abandoned"
    """The worker process that made the attempt stopped before it ended."""


class Attempt(Struct, frozen=True, kw_only=True):
    """One try of a run at its target."""

    number: int
    started_at: datetime
    finished_at: datetime | None = None
    outcome: Outcome | None = None
    status_code: int | None = None
    error: str | None = None
    response_excerpt: str | None = None


class Run(Struct, frozen=True, kw_only=True):
    """One firing of one job.

    Attributes:
        scheduled_for: The nominal fire time.
        due_at: When the run, or its next attempt, should start.
        utc_offset: What clocks in the schedule's zone showed, in seconds east of UTC.
        generation: 0 for the fire time's own run; backfills and replays of it count on.
        reason: Why it was cancelled or let go.
        lateness_ms: Start of the first attempt minus its `due_at` and its wait for its turn, in
            milliseconds.
        overlap_wait_ms: How long it waited because of its overlap policy, from its `due_at` to the
            end of the run before it; None when it did not.
    """

    id: UUID
    job_id: UUID
    state: RunState
    trigger: Trigger
    scheduled_for: datetime
    due_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    lateness_ms: float | None = None
    overlap_wait_ms: float | None = None
    attempt_count: int = 0
    generation: int = 0
    utc_offset: int = 0
    reason: str | None = None
