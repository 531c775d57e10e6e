"""What the specs of a schedule name, one instant after the other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from domain.durations import END_OF_TIME
from domain.schedules.schedule import Schedule

_TICK = timedelta(microseconds=1)
_FIRST = datetime.min.replace(tzinfo=UTC)


class Named:
    """The instants that a schedule names, excluded or not.

    Each spec is asked again only when what it named has passed. A question costs more steps for a
    clock's times than for an interval's, and one for each year that is searched.
    """

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._kinds = schedule.kinds
        self._upcoming: list[datetime | None] = [_FIRST] * len(self._kinds)

    def later_than(self, after: datetime) -> datetime | None:
        """The first instant strictly later than `after`, which grows from call to call."""
        start, end = self._schedule.start_at, self._schedule.end_at
        if start is not None and after < start:
            after = start - _TICK
        for number, upcoming in enumerate(self._upcoming):
            if upcoming is not None and upcoming <= after:
                self._upcoming[number] = self._kinds[number].next(self._schedule, after)
        first = min((instant for instant in self._upcoming if instant is not None), default=None)
        if first is None or first >= END_OF_TIME or (end is not None and first > end):
            return None
        return first
