"""What a job may be like, by the limits of its service."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from domain.errors import Invalid, within
from domain.quotas.limits import Limits
from domain.schedules.fire_times import PATIENCE, fire_times, first_moment, next_fire_time
from domain.schedules.kinds.work import Budget
from domain.schedules.schedule import Schedule
from domain.targets import Target

FIRE_TIMES = 100
"""A schedule's frequency is judged by so many fire times."""
FREQUENCY_STEPS = 20_000
"""Or by as many as are found for so much."""
SHORTEST_SECONDS = 1
_END = datetime.max.replace(tzinfo=UTC)


def check_frequency(schedule: Schedule, limits: Limits) -> None:
    """Refuse a schedule whose first 100 fire times come closer than they may.

    Raises:
        Invalid: With a pointer into the schedule.
    """
    seconds = limits.min_interval_seconds
    if seconds <= SHORTEST_SECONDS and len(schedule.parts) == 1:
        return  # by itself no spec fires more often
    for one, other in pairwise(_first_fire_times(schedule)):
        if other - one < timedelta(seconds=seconds):
            raise Invalid(
                f"This service's jobs fire {seconds} s apart at least; this one would at"
                f" {one.isoformat()} and at {other.isoformat()}."
            )


def check_target_size(target: Target, limits: Limits) -> None:
    """Refuse a target that is sent more than it may be.

    Raises:
        Invalid: With a pointer to its body or payload.
    """
    if target.payload_bytes > limits.payload_bytes:
        with within("/target"):
            raise Invalid(
                f"This service's targets are sent {limits.payload_bytes:,} bytes at most.",
                f"/{target.payload_field}",
            )


def _first_fire_times(schedule: Schedule) -> list[datetime]:
    first = next_fire_time(schedule, after=first_moment(schedule))
    if first is None:
        return []
    return fire_times(
        schedule,
        start=first,
        until=_END,
        limit=FIRE_TIMES,
        patience=PATIENCE,
        budget=Budget(schedule.work, FREQUENCY_STEPS),
    )
