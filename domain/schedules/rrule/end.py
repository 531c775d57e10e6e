"""Where a recurrence rule ends in a time zone: COUNT counts what fires, UNTIL may be an instant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from domain.schedules.clocks.wall_clock import (
    Fold,
    Gap,
    WallPattern,
    instants_of,
    next_instant,
    offsets_of,
)
from domain.schedules.rrule.clock import DAY
from domain.schedules.rrule.rule import COUNT_DAYS, Rrule

_NONE = timedelta(0)
_FIRST = datetime.min.replace(tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)
# What clocks skip does not count, so a rule may end later than where clocks never change.
_LIMIT = (COUNT_DAYS + 366) * DAY


def next_of(
    pattern: WallPattern, zone: ZoneInfo, *, after: datetime, gap: Gap, fold: Fold
) -> datetime | None:
    """The first instant later than `after` at which a pattern fires, in UTC, or None."""
    if zone.key == "UTC" or not isinstance(pattern, Rrule) or pattern.endless is None:
        return next_instant(pattern, zone, after=after, gap=gap, fold=fold)
    found = next_instant(pattern.endless, zone, after=after, gap=gap, fold=fold)
    return None if found is None or found > last_instant(pattern, zone, gap, fold) else found


def unbounded(pattern: WallPattern, zone: ZoneInfo) -> WallPattern:
    """The same without an end that depends on the zone: for that, ask for the last instant."""
    if zone.key == "UTC" or not isinstance(pattern, Rrule):
        return pattern
    return pattern.endless or pattern


def last_instant(pattern: WallPattern, zone: ZoneInfo, gap: Gap, fold: Fold) -> datetime:
    """The instant after which nothing of an unbounded pattern counts."""
    if zone.key == "UTC" or not isinstance(pattern, Rrule) or pattern.endless is None:
        return _LAST
    return pattern.until or _last_of_count(pattern.endless, pattern.count, zone, gap, fold)


@lru_cache(maxsize=4_096)
def _last_of_count(rule: Rrule, count: int, zone: ZoneInfo, gap: Gap, fold: Fold) -> datetime:
    try:
        return _nth(rule, count, zone, gap, fold)
    except (OverflowError, ValueError):  # at the end of the calendar
        return _LAST


def _nth(rule: Rrule, count: int, zone: ZoneInfo, gap: Gap, fold: Fold) -> datetime:
    """The instant of a rule that has this number; the first one of all is number 1."""
    if rule.elapsed:
        gap, fold = Gap.SKIP, Fold.BOTH  # each instant at which a clock shows a name, no others
    # Instants of the days around a change of the clocks, which are not those of their names in
    # order: what it skips may fire as late as when the next day begins.
    unsorted: set[datetime] = set()
    today, offset, unsorted_to = 0, None, 0
    found = _FIRST
    for second in rule.seconds(rule.dtstart.toordinal() * DAY + _LIMIT):
        day, of_day = divmod(second, DAY)
        if day != today:
            today, offset = day, _steady_offset(zone, day)
            unsorted_to = unsorted_to if offset is not None else day + 1
        if day <= unsorted_to:
            unsorted.update(instants_of(_wall(day, of_day), zone, gap=gap, fold=fold))
            continue
        if unsorted:
            if count <= len(unsorted):
                break
            count -= len(unsorted)
            unsorted.clear()
        count -= 1
        found = (_wall(day, of_day) - (offset or _NONE)).replace(tzinfo=UTC)
        if not count:
            return found
    if unsorted and count <= len(unsorted):
        return sorted(unsorted)[count - 1]
    return _LAST if unsorted or found > _FIRST else _FIRST


def _steady_offset(zone: ZoneInfo, day: int) -> timedelta | None:
    """What clocks differ by from UTC on a day from midnight to midnight; None if that changes."""
    offset = _midnight_offset(zone, day)
    return offset if offset == _midnight_offset(zone, day + 1) else None


@lru_cache(maxsize=4_096)
def _midnight_offset(zone: ZoneInfo, day: int) -> timedelta | None:
    """The same at the midnight with which a day begins; None if clocks skip or repeat that."""
    first, second = offsets_of(datetime.fromordinal(day), zone)
    return first if first == second else None


def _wall(day: int, of_day: int) -> datetime:
    return datetime.fromordinal(day) + timedelta(seconds=of_day)
