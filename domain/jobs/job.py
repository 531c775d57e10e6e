"""A job: a schedule, a target and the policies of its runs, stored by a service."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from msgspec import Struct

from domain.policies.catchup import CatchupPolicy
from domain.policies.overlap import Overlap
from domain.policies.retry import RetryPolicy
from domain.schedules.schedule import Schedule
from domain.targets import Target

Versions = frozenset[int] | None
"""A job must have one of these to be changed; None for any."""


class JobState(StrEnum):
    """Whether a job will fire again."""

    ACTIVE = "active"
    """It will, or it has a number of runs and the last of them is not over: one that is skipped
    does not count."""
    PAUSED = "paused"
    COMPLETED = "completed"
    """No fire time is left. Its last run may wait, ring or be tried again."""


class Job(Struct, frozen=True, kw_only=True):
    """A stored intent, as its service sees it.

    Attributes:
        next_fire_at: Nothing fires before it. The job fires then, unless more is excluded than one
            search looks at: then it is as far as that came, and moves on when it is reached. Once a
            job has had its number of runs, it is the last fire time until that run is over.
        pause_reason: Why the job is paused: what its service said, if it did, or why Tocsin did it.
    """

    id: UUID
    name: str
    description: str
    tags: list[str]
    schedule: Schedule
    target: Target
    retry: RetryPolicy
    overlap: Overlap
    catchup: CatchupPolicy
    state: JobState
    next_fire_at: datetime | None
    pause_reason: str | None
    version: int
    created_at: datetime
    updated_at: datetime


def visible_state(
    *, paused: bool, next_fire_for: datetime | None, claimed_for: list[datetime], now: datetime
) -> tuple[JobState, datetime | None]:
    """A job's state and next fire time as its service should see them.

    Fire times are claimed some seconds ahead; until they come they are still "next" to a reader.

    Args:
        next_fire_for: The first fire time that no dispatcher has claimed, if any may come.
        claimed_for: The fire times claimed last, in order.
    """
    if paused:
        return JobState.PAUSED, None
    upcoming = next_fire_for
    if claimed_for:  # few jobs have any
        upcoming = next((instant for instant in claimed_for if instant > now), next_fire_for)
    return (JobState.ACTIVE if upcoming else JobState.COMPLETED), upcoming
