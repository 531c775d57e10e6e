"""The days that a recurrence rule allows, as one bit a day of a year."""

from __future__ import annotations

from calendar import isleap
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache

from domain.schedules.rrule_parts import Frequency, Parts

_YEAR = 366
_EVERY_WEEK = sum(1 << at for at in range(0, _YEAR, 7))
_LAST_ORDINAL = date.max.toordinal()
_LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


# Compared by identity: the caches below would else hash every field on every call.
@dataclass(frozen=True, slots=True, eq=False)
class Days:
    """Which days a rule allows, aligned to DTSTART by its interval."""

    parts: Parts

    def between(self, first: int, last: int) -> Iterator[int]:
        """Ordinals of the allowed days, the first and the last included, in order."""
        first, last = max(first, 1), min(last, _LAST_ORDINAL)
        if first > last:
            return
        year = date.fromordinal(first).year
        start = new_year(year)
        mask = _days_of(self, year) >> (first - start) << (first - start)
        while True:
            while mask:
                lowest = mask & -mask
                ordinal = start + lowest.bit_length() - 1
                if ordinal > last:
                    return
                yield ordinal
                mask ^= lowest
            year += 1
            start = new_year(year)
            if start > last:
                return
            mask = _days_of(self, year)

    def period(self, ordinal: int) -> tuple[int, int]:
        """Ordinals of the first and the last day of the year, month or week of a day."""
        if self.parts.frequency is Frequency.WEEKLY:
            first = _week(ordinal, self.parts.week_start)
            return first, first + 6
        day = date.fromordinal(ordinal)
        start = new_year(day.year)
        if self.parts.frequency is Frequency.YEARLY:
            return start, new_year(day.year + 1) - 1
        first, end = _month_ranges(leap=isleap(day.year))[day.month - 1]
        return start + first, start + end - 1


def days_of(parts: Parts) -> Days:
    """A rule's days, with what it leaves out taken from DTSTART."""
    if (
        parts.week_numbers
        or parts.year_days
        or parts.month_days
        or parts.weekdays
        or parts.ordinals
    ):
        return Days(parts)
    start = parts.dtstart
    if parts.frequency is Frequency.YEARLY:
        return Days(replace(parts, months=parts.months or (start.month,), month_days=(start.day,)))
    if parts.frequency is Frequency.MONTHLY:
        return Days(replace(parts, month_days=(start.day,)))
    if parts.frequency is Frequency.WEEKLY:
        return Days(replace(parts, weekdays=(start.weekday(),)))
    return Days(parts)


def new_year(year: int) -> int:
    """The ordinal of 1 January; unlike `date`, also of the years 0 and 10000."""
    before = year - 1
    return before * 365 + before // 4 - before // 100 + before // 400 + 1


@lru_cache(maxsize=16_384)
def _days_of(days: Days, year: int) -> int:
    """The allowed days of a year, 1 January being the lowest bit."""
    parts = days.parts
    mask = _aligned(parts, year)
    if not mask:
        return 0
    leap = isleap(year)
    if parts.months:
        mask &= _months(parts.months, leap=leap)
    if parts.month_days:
        mask &= _month_days(parts.month_days, leap=leap)
    if parts.year_days:
        mask &= _year_days(parts.year_days, 365 + leap)
    if parts.week_numbers:
        mask &= _weeks(parts.week_numbers, parts.week_start, year)
    if parts.weekdays or parts.ordinals:
        mask &= _weekdays(parts, year)
    return mask


def _aligned(parts: Parts, year: int) -> int:
    """The days of the periods that the interval does not skip."""
    interval, start, first = parts.interval, parts.dtstart, new_year(year)
    whole = (1 << 365 + isleap(year)) - 1
    if interval == 1 or parts.frequency > Frequency.DAILY:
        return whole
    if parts.frequency is Frequency.YEARLY:
        return 0 if (year - start.year) % interval else whole
    if parts.frequency is Frequency.MONTHLY:
        since = (year - start.year) * 12 - start.month
        months = tuple(month for month in range(1, 13) if (since + month) % interval == 0)
        return _months(months, leap=isleap(year))
    width, origin = 1, start.toordinal()
    if parts.frequency is Frequency.WEEKLY:
        width, origin = 7, _week(origin, parts.week_start)
    step = width * interval
    mask = 0
    # From a step before the year: its first week may begin there.
    for at in range((origin - first) % step, _YEAR + step, step):
        mask |= (1 << width) - 1 << at
    return mask >> step & whole


@lru_cache(maxsize=2)
def _month_ranges(*, leap: bool) -> tuple[tuple[int, int], ...]:
    """Day of the year, from 0, on which each month starts and that on which the next does."""
    ranges, first = [], 0
    for month, length in enumerate(_LENGTHS, 1):
        end = first + length + (leap and month == 2)
        ranges.append((first, end))
        first = end
    return tuple(ranges)


@lru_cache(maxsize=4_096)
def _months(months: tuple[int, ...], *, leap: bool) -> int:
    ranges = _month_ranges(leap=leap)
    mask = 0
    for month in months:
        first, end = ranges[month - 1]
        mask |= (1 << end) - (1 << first)
    return mask


@lru_cache(maxsize=4_096)
def _month_days(month_days: tuple[int, ...], *, leap: bool) -> int:
    mask = 0
    for first, end in _month_ranges(leap=leap):
        for number in month_days:
            at = first + number - 1 if number > 0 else end + number
            if first <= at < end:
                mask |= 1 << at
    return mask


def _year_days(year_days: tuple[int, ...], length: int) -> int:
    mask = 0
    for number in year_days:
        at = number - 1 if number > 0 else length + number
        if 0 <= at < length:
            mask |= 1 << at
    return mask


def _weekdays(parts: Parts, year: int) -> int:
    leap, new_year_weekday = isleap(year), (new_year(year) - 1) % 7
    mask = 0
    for weekday in parts.weekdays:
        mask |= _EVERY_WEEK << (weekday - new_year_weekday) % 7
    if parts.ordinals:
        monthly = parts.frequency is Frequency.MONTHLY or bool(parts.months)
        mask |= _ordinals(parts.ordinals, new_year_weekday, leap=leap, monthly=monthly)
    return mask


@lru_cache(maxsize=4_096)
def _ordinals(
    ordinals: tuple[tuple[int, int], ...], new_year_weekday: int, *, leap: bool, monthly: bool
) -> int:
    """The days that are, say, the second Monday or the last Friday of their month or year."""
    ranges = _month_ranges(leap=leap) if monthly else ((0, 365 + leap),)
    mask = 0
    for first, end in ranges:
        for number, weekday in ordinals:
            # Counted from the start, or from the seven days after the end.
            base, weeks = (first, number - 1) if number > 0 else (end, number)
            at = base + (weekday - new_year_weekday - base) % 7 + 7 * weeks
            if first <= at < end:
                mask |= 1 << at
    return mask


def _weeks(numbers: tuple[int, ...], week_start: int, year: int) -> int:
    """The days of the numbered weeks, also of those that belong to a neighbouring year."""
    mask, start = 0, new_year(year)
    for owner in (year - 1, year, year + 1):
        first, end = _first_week(owner, week_start), _first_week(owner + 1, week_start)
        count = (end - first) // 7
        for number in numbers:
            index = number - 1 if number > 0 else count + number
            at = first + 7 * index - start
            if 0 <= index < count and -7 < at < _YEAR:
                mask |= 0x7F << at if at >= 0 else 0x7F >> -at
    return mask


def _first_week(year: int, week_start: int) -> int:
    """The ordinal of the first day of week 1, which has at least four days in its year."""
    return _week(new_year(year) + 3, week_start)


def _week(ordinal: int, week_start: int) -> int:
    """The ordinal of the first day of a day's week."""
    return ordinal - (ordinal - 1 - week_start) % 7
