"""The last fire times before an instant."""

from __future__ import annotations

from datetime import datetime, timedelta

from domain.schedules.fire_times import TICK, fire_times, is_excluded, next_fire_time
from domain.schedules.kinds.work import Budget
from domain.schedules.schedule import Schedule

STOPS = 10
"""A look back ends when its search among excluded fire times stopped so often."""
_FIRST_SPAN = timedelta(seconds=1)


def newest(
    schedule: Schedule,
    first: datetime,
    before: datetime,
    limit: int,
    *,
    counted: int,
    budget: Budget,
) -> list[datetime]:
    """The last `limit` fire times of `[first, before)`.

    The search goes back in spans that double. Where more is excluded than it looks at, it tells
    the last of those that follow on `first`.

    Args:
        counted: No more are looked at at once.
        budget: Once it is spent, no earlier ones are looked for.
    """
    found: list[datetime] = []
    times: list[datetime] = []
    end, span, stops = before, _FIRST_SPAN, 0
    while first < end and len(found) < limit:
        start = max(first, end - span)
        times, stops = _fire_times_between(schedule, start, end, counted, stops, budget)
        if stops >= STOPS or budget.is_spent:
            break
        if len(times) > counted:
            span /= 2  # the doubling reached too far into them
        else:
            found, end, span = times + found, start, 2 * span
    if not found and budget.is_spent:
        found = times
    if not found and (stops >= STOPS or budget.is_spent):
        found = fire_times(schedule, start=first, until=before - TICK, limit=counted, budget=budget)
    return found[-limit:]


def _fire_times_between(  # noqa: PLR0917 (where from, where to, and three bounds)
    schedule: Schedule, start: datetime, end: datetime, counted: int, stops: int, budget: Budget
) -> tuple[list[datetime], int]:
    """Those of `[start, end)`, or more than `counted` of them, and how often searches stopped.

    Once the budget is spent, they may be fewer.
    """
    times: list[datetime] = []
    upcoming = next_fire_time(schedule, after=start - TICK)
    while upcoming is not None and upcoming < end and len(times) <= counted and stops < STOPS:
        most = counted + 1 - len(times)
        times += fire_times(schedule, start=upcoming, until=end - TICK, limit=most, budget=budget)
        if budget.is_spent:
            break
        upcoming = next_fire_time(schedule, after=max([upcoming, *times[-1:]]))
        stops += upcoming is not None and is_excluded(schedule, upcoming)
    return times, stops
