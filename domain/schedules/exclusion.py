"""Whether a schedule excludes an instant, and how far what excludes it reaches."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from datetime import date as Day  # noqa: N812 (a field is called `date`)
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from domain.ids import EPOCH
from domain.schedules.cron import parse_cron
from domain.schedules.rrule import parse_rrule

if TYPE_CHECKING:  # schedules look in here
    from domain.schedules.schedule import Exclusion, Schedule

_TICK = timedelta(microseconds=1)
_LAST = datetime.max.replace(tzinfo=UTC)


def excluded_until(schedule: Schedule, instant: datetime) -> datetime | None:
    """None when the instant may fire, else an instant up to which all that is named is excluded."""
    try:
        local = instant.astimezone(ZoneInfo(schedule.timezone))
    except OverflowError:
        return None  # in the last hours of the year 9999 there is no local time to exclude
    wall = local.replace(tzinfo=None)
    for one in schedule.exclude:
        if _is_day_of(one, wall.date()):
            return _end_of_day(one, local)
        if _names(one, instant, wall, schedule):
            return _end_of_named(one, local, instant, schedule.seed)
    return None


def _is_day_of(exclusion: Exclusion, day: Day) -> bool:
    if exclusion.date is not None:
        return day == exclusion.date
    return (
        exclusion.start is not None
        and exclusion.end is not None
        and (exclusion.start <= day <= exclusion.end)
    )


def _names(exclusion: Exclusion, instant: datetime, wall: datetime, schedule: Schedule) -> bool:
    if exclusion.at is not None:
        return instant == exclusion.at
    if exclusion.every is not None:
        return not (instant - EPOCH - exclusion.phase) % exclusion.every
    if exclusion.cron is not None:
        return parse_cron(exclusion.cron, seed=schedule.seed).names(_shown(exclusion.cron, wall))
    if exclusion.rrule is not None:
        rule = parse_rrule(exclusion.rrule)
        own = ZoneInfo(rule.timezone) if rule.timezone else None
        return rule.names(instant.astimezone(own).replace(tzinfo=None) if own else wall)
    return False


def _end_of_day(exclusion: Exclusion, local: datetime) -> datetime:
    last = exclusion.date or exclusion.end or local.date()
    return _before_midnight_after(last, local)


def _shown(cron: str, wall: datetime) -> datetime:
    """A wall time as far as an expression tells: without a field for seconds, the whole minute."""
    return wall.replace(second=wall.second if _tells_seconds(cron) else 0, microsecond=0)


def _tells_seconds(cron: str) -> bool:
    return len(cron.split()) > 5


def _end_of_named(exclusion: Exclusion, local: datetime, instant: datetime, seed: str) -> datetime:
    """The end of the second, or of the minute, hour or day that is excluded as a whole."""
    if exclusion.cron is None:
        return instant
    pattern = parse_cron(exclusion.cron, seed=seed)
    left = timedelta(seconds=1, microseconds=-1 - local.microsecond)
    if not _tells_seconds(exclusion.cron) or len(pattern.seconds) == 60:
        left += timedelta(seconds=59 - local.second)
        if len(pattern.minutes) == 60:
            if len(pattern.hours) == 24:
                return _before_midnight_after(local.date(), local)
            left += timedelta(minutes=59 - local.minute)
    return _later(instant, left, local)


def _later(instant: datetime, left: timedelta, local: datetime) -> datetime:
    """So much later, or at the end of the minute if clocks change meanwhile."""
    for span in (left, left % timedelta(minutes=1)):
        try:
            if (instant + span).astimezone(local.tzinfo).utcoffset() == local.utcoffset():
                return instant + span
        except OverflowError:
            pass
    return instant


def _before_midnight_after(day: Day, local: datetime) -> datetime:
    evening = datetime.combine(local.date(), datetime.min.time(), local.tzinfo) - _TICK
    if not local.fold and _comes_twice(local) and _comes_twice(evening):
        return local.astimezone(UTC)  # clocks are about to go back to the day before
    try:
        midnight = datetime.combine(day + timedelta(days=1), datetime.min.time(), local.tzinfo)
        # Where clocks go back over midnight the day ends twice: the end is meant that comes next.
        end = midnight.replace(fold=local.fold).astimezone(UTC) - _TICK
        return max(end, local.astimezone(UTC))
    except OverflowError:
        return _LAST


def _comes_twice(local: datetime) -> bool:
    return local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
