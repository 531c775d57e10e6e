"""What becomes of fire times that passed while nothing could fire them."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from domain.errors import Invalid

TOLERANCE = timedelta(seconds=1)
"""A dispatcher's tick: what is late by less was not missed."""
MAX_WINDOW = timedelta(days=366)
MAX_LIMIT = 1_000


class Coalesce(StrEnum):
    """Which of several missed fire times run."""

    LATEST = "latest"
    EARLIEST = "earliest"
    ALL = "all"


class CatchupPolicy(Struct, frozen=True, kw_only=True):
    """What becomes of fire times that passed while nothing could fire them.

    Attributes:
        window: Those longer ago are missed; 0 means all that passed.
        coalesce: Which of the others run.
        limit: How many run at most; older ones are missed.
    """

    window: timedelta = timedelta(seconds=60)
    coalesce: Coalesce = Coalesce.LATEST
    limit: int = 10

    def misses(self, due_at: datetime, now: datetime) -> bool:
        """Whether a run that was due then is not to begin any more."""
        return now - due_at > max(self.window, TOLERANCE)


class Outcome(StrEnum):
    """What became of a fire time that made no run of its own (or whose run never rang)."""

    RUN = "run"
    SKIPPED_OVERLAP = "skipped_overlap"
    MISSED = "missed"
    PAUSED = "paused"
    EXCLUDED = "excluded"
    COALESCED = "coalesced"
    CANCELLED = "cancelled"
    QUOTA = "quota"


class Stretch(Struct, frozen=True, kw_only=True):
    """Consecutive fire times with one outcome.

    Attributes:
        count: How many they are; None when nobody counted.
    """

    first: datetime
    last: datetime
    outcome: Outcome
    count: int | None


class Plan(Struct, frozen=True, kw_only=True):
    """What a claim makes of a job's fire times.

    Attributes:
        runs: Fire times that run.
        unrun: The others, in order.
        accounted_to: All that is named up to here has its outcome.
        next_fire_for: The first one that is left, or where the search for it goes on.
    """

    runs: list[datetime]
    unrun: list[Stretch]
    accounted_to: datetime
    next_fire_for: datetime | None


def check_catchup(policy: CatchupPolicy) -> None:
    """Refuse a policy that makes no sense.

    Raises:
        Invalid: With a pointer to the value at fault.
    """
    if policy.window and not TOLERANCE <= policy.window <= MAX_WINDOW:
        raise Invalid("The window must be 0, or between 1 second and 366 days.", "/window")
    if not 1 <= policy.limit <= MAX_LIMIT:
        raise Invalid(f"The limit must be from 1 to {MAX_LIMIT:,}.", "/limit")
