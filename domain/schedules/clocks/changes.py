"""When the clocks of a zone are put forward or back."""

from __future__ import annotations

from bisect import bisect_left
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)


class ClockChange(NamedTuple):
    """Attributes:
    at: The first instant with the new offset, in UTC.
    old: Wall time at which clocks are put forward or back.
    new: Wall time to which.
    """

    at: datetime
    old: datetime
    new: datetime

    @property
    def is_gap(self) -> bool:
        """Whether clocks are put forward."""
        return self.new > self.old


@lru_cache(maxsize=1_024)
def clock_changes(zone: ZoneInfo, first: date, days: int) -> tuple[ClockChange, ...]:
    """The changes from midnight UTC of a day on; two on one day that cancel out are not seen."""
    try:
        midnight = datetime(first.year, first.month, first.day, tzinfo=UTC)
        starts = [midnight + number * _DAY for number in range(days)]
        return tuple(
            _change(zone, start)
            for start in starts
            if _offset(zone, start) != _offset(zone, start + _DAY)
        )
    except OverflowError:  # at the end of the calendar
        return ()


def _change(zone: ZoneInfo, start: datetime) -> ClockChange:
    """The change within a day."""
    old = _offset(zone, start)
    second = bisect_left(
        range(86_400),
        True,
        key=lambda after: _offset(zone, start + timedelta(seconds=after)) != old,
    )
    at = start + timedelta(seconds=second)
    wall = at.replace(tzinfo=None)
    return ClockChange(at, wall + old, wall + _offset(zone, at))


def _offset(zone: ZoneInfo, instant: datetime) -> timedelta:
    return instant.astimezone(zone).utcoffset() or timedelta(0)
