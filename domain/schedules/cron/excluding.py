"""How far a cron expression that excludes an instant goes on excluding."""

from __future__ import annotations

from datetime import datetime, timedelta

from domain.schedules.clocks.midnights import before_midnight_after
from domain.schedules.cron.expression import Cron, run_from

_TICK = timedelta(microseconds=1)
_SECOND = timedelta(seconds=1)


def excluded_until(
    pattern: Cron, tells_seconds: bool, instant: datetime, local: datetime
) -> datetime | None:
    """The end of the seconds, minutes, hours or days on end that are excluded as a whole.

    None when the instant is not excluded; `local` is the instant in the schedule's zone.
    """
    # As far as the expression tells: without a field for seconds, the whole minute.
    shown = local.replace(
        second=local.second if tells_seconds else 0, microsecond=0, tzinfo=None, fold=0
    )
    if not pattern.names(shown):
        return None
    if tells_seconds and len(pattern.seconds) < 60:
        last = shown.replace(second=run_from(pattern.seconds, shown.second))
    elif len(pattern.minutes) < 60:
        last = shown.replace(minute=run_from(pattern.minutes, shown.minute), second=59)
    elif len(pattern.hours) < 24:
        last = shown.replace(hour=run_from(pattern.hours, shown.hour), minute=59, second=59)
    else:
        return before_midnight_after(pattern.last_day_from(shown), local)
    return _later(instant, last + _SECOND - _TICK - local.replace(tzinfo=None), local)


def _later(instant: datetime, left: timedelta, local: datetime) -> datetime:
    """So much later, or at the end of the hour or the minute if clocks change meanwhile."""
    for span in (left, left % timedelta(hours=1), left % timedelta(minutes=1)):
        try:
            if (instant + span).astimezone(local.tzinfo).utcoffset() == local.utcoffset():
                return instant + span
        except OverflowError:
            pass
    return instant
