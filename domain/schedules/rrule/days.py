"""The days that a recurrence rule allows, as one bit a day of a year."""

from __future__ import annotations

from calendar import isleap
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache

from domain.schedules.rrule.cycle import Cycle
from domain.schedules.rrule.parts import Frequency, Parts

_YEAR = 366
_EVERY_WEEK = sum(1 << at for at in range(0, _YEAR, 7))
_LAST_ORDINAL = date.max.toordinal()
_LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


# Compared by identity: the caches below would else hash every field on every call.
@dataclass(frozen=True, slots=True, eq=False)
class Days:
    """Which days a rule allows, aligned to DTSTART by its interval.

    Attributes:
        cycle: Days that the interval of a weekly rule, or a finer one, does not skip.
        least: So many days a period of a rule must have; one that has fewer does not count.
    """

    parts: Parts
    cycle: Cycle | None
    least: int

    def allows(self, ordinal: int) -> bool:
        """Whether it is one of them."""
        year = date.fromordinal(ordinal).year
        return bool(_days_of(self, year) >> ordinal - new_year(year) & 1)

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

    def within(self, first: int, last: int) -> int:
        """The allowed days of a period, its first day being the lowest bit."""
        year = date.fromordinal(max(first, 1)).year
        start = new_year(year)
        if first < start or last >= new_year(year + 1):  # a week of two years
            return sum(1 << day - first for day in self.between(first, last))
        return _days_of(self, year) >> first - start & (1 << last - first + 1) - 1


def days_of(parts: Parts, cycle: Cycle | None, least: int) -> Days:
    """A rule's days, with what it leaves out taken from DTSTART."""
    return Days(_completed(parts), cycle, least)


def _completed(parts: Parts) -> Parts:
    if (
        parts.week_numbers
        or parts.year_days
        or parts.month_days
        or parts.weekdays
        or parts.ordinals
    ):
        return parts
    start = parts.dtstart
    if parts.frequency is Frequency.YEARLY:
        return replace(parts, months=parts.months or (start.month,), month_days=(start.day,))
    if parts.frequency is Frequency.MONTHLY:
        return replace(parts, month_days=(start.day,))
    if parts.frequency is Frequency.WEEKLY:
        return replace(parts, weekdays=(start.weekday(),))
    return parts


def new_year(year: int) -> int:
    """The ordinal of 1 January; unlike `date`, also of the years 0 and 10000."""
    before = year - 1
    return before * 365 + before // 4 - before // 100 + before // 400 + 1


def _days_of(days: Days, year: int) -> int:
    """The allowed days of a year, 1 January being the lowest bit."""
    parts = days.parts
    if parts.frequency is Frequency.YEARLY and (year - parts.dtstart.year) % parts.interval:
        return 0
    mask = _pattern(days, _ALIKE[year % _CYCLE])
    if mask and days.cycle is not None:
        mask &= days.cycle.from_day(new_year(year))
    if mask and parts.frequency is Frequency.MONTHLY and parts.interval > 1:
        mask &= _aligned_months(parts, year)
    return mask


@lru_cache(maxsize=16_384)
def _pattern(days: Days, year: int) -> int:
    """The days of a year that a rule allows without regard to its interval."""
    parts, leap = days.parts, isleap(year)
    mask = (1 << 365 + leap) - 1
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
    return mask if days.least <= 1 else _without_poor_periods(mask, days, leap=leap)


def _without_poor_periods(mask: int, days: Days, *, leap: bool) -> int:
    if days.parts.frequency is Frequency.WEEKLY:
        # Those at the edges of a month are left, as they may have enough days in another year.
        return mask if len(days.parts.weekdays) >= days.least else 0
    ranges = _month_ranges(leap=leap)
    if days.parts.frequency is Frequency.YEARLY:
        ranges = ((0, _YEAR),)
    for first, end in ranges:
        period = mask & (1 << end) - (1 << first)
        if period.bit_count() < days.least:
            mask ^= period
    return mask


def _aligned_months(parts: Parts, year: int) -> int:
    since = (year - parts.dtstart.year) * 12 - parts.dtstart.month
    months = tuple(month for month in range(1, 13) if (since + month) % parts.interval == 0)
    return _months(months, leap=isleap(year))


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


@lru_cache(maxsize=4_096)
def _year_days(year_days: tuple[int, ...], length: int) -> int:
    mask = 0
    for number in year_days:
        at = number - 1 if number > 0 else length + number
        if 0 <= at < length:
            mask |= 1 << at
    return mask


def _weekdays(parts: Parts, year: int) -> int:
    leap, new_year_weekday = isleap(year), (new_year(year) - 1) % 7
    monthly = parts.frequency is Frequency.MONTHLY or bool(parts.months)
    sevens = _sevens(parts.ordinals, leap=leap, monthly=monthly)
    mask = 0
    for weekday in range(7):
        days = _EVERY_WEEK << (weekday - new_year_weekday) % 7
        mask |= days if weekday in parts.weekdays else days & sevens[weekday]
    return mask


@lru_cache(maxsize=4_096)
def _sevens(ordinals: tuple[tuple[int, int], ...], *, leap: bool, monthly: bool) -> tuple[int, ...]:
    """For each weekday the days on which it is named, if it falls on them.

    The second Monday, say, is the Monday among the second seven days of the month (or year).
    """
    ranges = _month_ranges(leap=leap) if monthly else ((0, 365 + leap),)
    masks = [0] * 7
    for number, weekday in ordinals:
        masks[weekday] |= _seven(number, ranges)
    return tuple(masks)


@lru_cache(maxsize=512)
def _seven(number: int, ranges: tuple[tuple[int, int], ...]) -> int:
    mask = 0
    for first, end in ranges:
        start = first + 7 * (number - 1) if number > 0 else end + 7 * number
        low, high = max(start, first), min(start + 7, end)
        if low < high:
            mask |= (1 << high) - (1 << low)
    return mask


def _weeks(numbers: tuple[int, ...], week_start: int, year: int) -> int:
    """The days of the numbered weeks, also of those that belong to a neighbouring year."""
    mask, start = 0, new_year(year)
    for owner in (year - 1, year, year + 1):
        first, end = _first_week(owner, week_start), _first_week(owner + 1, week_start)
        days = _days_of_weeks(numbers, (end - first) // 7)
        mask |= days << first - start if first >= start else days >> start - first
    return mask


@lru_cache(maxsize=4_096)
def _days_of_weeks(numbers: tuple[int, ...], count: int) -> int:
    """The days of the numbered weeks of a year with so many, the first of week 1 coming first."""
    mask = 0
    for number in numbers:
        index = number - 1 if number > 0 else count + number
        if 0 <= index < count:
            mask |= 0x7F << 7 * index
    return mask


def _first_week(year: int, week_start: int) -> int:
    """The ordinal of the first day of week 1, which has at least four days in its year."""
    return _week(new_year(year) + 3, week_start)


def _week(ordinal: int, week_start: int) -> int:
    """The ordinal of the first day of a day's week."""
    return ordinal - (ordinal - 1 - week_start) % 7


def _kind(year: int) -> tuple[int, bool, bool]:
    """What the days of a year depend on; the year before tells how many weeks that one had."""
    return new_year(year) % 7, isleap(year), isleap(year - 1)


# Dates and weekdays come again after 400 years, and most of those are like an earlier one.
_CYCLE = 400
_FIRST_OF_KIND = {_kind(year): year for year in range(2 * _CYCLE - 1, _CYCLE - 1, -1)}
_ALIKE = tuple(_FIRST_OF_KIND[_kind(year)] for year in range(_CYCLE, 2 * _CYCLE))
