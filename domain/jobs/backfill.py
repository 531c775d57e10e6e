"""A backfill: runs for fire times that have passed, made at a bounded rate."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from msgspec import Struct

from domain.errors import Invalid
from domain.ids import EPOCH
from domain.policies.overlap import Overlap

MAX_FIRE_TIMES = 20_000
"""Of one backfill, excluded ones included: they are looked at while its client waits."""
MAX_RUNS_PER_MINUTE = 60_000


class BackfillState(StrEnum):
    """Where a backfill stands."""

    RUNNING = "running"
    """Its runs are being made. A crash loses nothing: the next look goes on from `position`."""
    COMPLETED = "completed"
    """Every fire time was looked at. Its runs may still be under way. Final."""
    CANCELLED = "cancelled"
    """Somebody ended it; runs that had not begun were cancelled with it. Final."""
    DRY_RUN = "dry_run"
    """Only counted; it is stored nowhere. Final."""


class Backfill(Struct, frozen=True, kw_only=True):
    """What was asked for, and how far it is.

    Attributes:
        start_at: The first instant of the range.
        end_at: The first instant behind it.
        only_missing: Whether fire times are left out that have a run which succeeded, or may.
        runs_per_minute: How many runs are made in a minute at most.
        total: Fire times in the range.
        done_count: Those that were looked at.
        run_count: Those of them that got a run.
    """

    id: UUID
    job_id: UUID
    start_at: datetime
    end_at: datetime
    overlap: Overlap
    only_missing: bool
    runs_per_minute: int
    state: BackfillState
    total: int
    done_count: int
    run_count: int
    created_at: datetime
    finished_at: datetime | None


COUNTED_STEPS = 400_000
"""What it may cost to count them: about half a second, and a dry run tells where it stopped."""


class DryRun(Backfill, frozen=True, kw_only=True):
    """A backfill that is only counted.

    Attributes:
        continues_at: What comes from here on is not counted: it would have cost too much.
    """

    continues_at: datetime | None


def check_backfill(start: datetime, end: datetime, runs_per_minute: int, now: datetime) -> None:
    """Refuse a range or a rate that makes no sense.

    Raises:
        Invalid: With a pointer to the value at fault.
    """
    if start < EPOCH:
        raise Invalid("The start must not come before 1970-01-01T00:00Z.", "/start")
    if end <= start:
        raise Invalid("The end must come after the start.", "/end")
    if end > now:
        raise Invalid("A backfill is about the past; the end must not lie ahead.", "/end")
    if not 1 <= runs_per_minute <= MAX_RUNS_PER_MINUTE:
        raise Invalid(
            f"The rate must be from 1 to {MAX_RUNS_PER_MINUTE:,} runs a minute.",
            "/runs_per_minute",
        )
