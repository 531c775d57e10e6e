"""Where a local day ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from datetime import date as Day  # noqa: N812 (a field is called `date`)

_TICK = timedelta(microseconds=1)
_DAY = timedelta(days=1)
_LAST = datetime.max.replace(tzinfo=UTC)


def before_midnight_after(day: Day, local: datetime) -> datetime:
    """The last instant of a day of a local time's zone, or that time itself if it is later."""
    evening = datetime.combine(local.date(), datetime.min.time(), local.tzinfo) - _TICK
    if not local.fold and _comes_twice(local) and _comes_twice(evening):
        return local.astimezone(UTC)  # clocks are about to go back to the day before
    try:
        midnight = datetime.combine(day + _DAY, datetime.min.time(), local.tzinfo)
        # Where clocks go back over midnight the day ends twice: the end is meant that comes next.
        end = midnight.replace(fold=local.fold).astimezone(UTC) - _TICK
        return max(end, local.astimezone(UTC))
    except OverflowError:
        return _LAST


def _comes_twice(local: datetime) -> bool:
    return local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
