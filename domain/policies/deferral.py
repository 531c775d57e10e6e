"""How long a run may wait for its target."""

from __future__ import annotations

from datetime import datetime, timedelta

LONGEST_DEFERRAL = timedelta(minutes=10)
"""A run that has waited so long beyond its due instant counts as an attempt that failed."""


def give_up_at(
    due_at: datetime, first_started_at: datetime | None, max_retry_duration: timedelta | None
) -> datetime:
    """When to wait no longer for a target that cannot be rung.

    Args:
        first_started_at: When the run's first attempt began, if there was one.
        max_retry_duration: No attempt begins later than so long after that.
    """
    latest = due_at + LONGEST_DEFERRAL
    if first_started_at is None or max_retry_duration is None:
        return latest
    return min(latest, first_started_at + max_retry_duration)
