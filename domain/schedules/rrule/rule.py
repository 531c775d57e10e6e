"""Recurrence rules (RFC 5545): which wall-clock times a DTSTART and an RRULE name."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import islice

from domain.errors import Invalid
from domain.schedules.rrule.clock import (
    DAY,
    Clock,
    chosen,
    clock_of,
    next_chosen,
    nth_sum,
    sums_before,
)
from domain.schedules.rrule.cycle import cycle_of
from domain.schedules.rrule.days import Days, days_of
from domain.schedules.rrule.parts import Frequency
from domain.schedules.rrule.text import read_parts

HORIZON_DAYS = 50 * 366
OCCURRENCE_WEIGHT = 14
"""An occurrence that COUNT has us look for costs as much as so many characters, if not less."""
_DAYS_LIKE_A_CHARACTER = 10
COUNT_DAYS = 100 * 366
_LAST_SECOND = (date.max.toordinal() + 1) * DAY - 1


# Compared by identity, as its days are: `parse_rrule` answers the same text with the same rule.
@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Rrule:
    """A pattern of wall-clock times, to the second; seconds are counted from ordinal 0.

    Attributes:
        elapsed: Whether it recurs by the hour, minute or second and so follows elapsed time
            through a change of the clocks; a coarser rule keeps to its wall times.
        timezone: TZID of DTSTART, "UTC" if that ends in Z, else None.
        dtstart: Wall time before which nothing counts; it counts itself only if the rule names it.
        days: The days that the rule allows.
        clock: The times of day that it allows.
        positions: BYSETPOS of a rule whose periods are longer than a day, ascending.
        last: The second after which nothing counts, where clocks never change.
        count: COUNT, or 0 without.
        until: UNTIL, if it is an instant.
        endless: The same rule without COUNT and without an UNTIL that is an instant, if it has one
            of them: where those end it depends on the zone (domain.schedules.rrule.end).
    """

    elapsed: bool
    timezone: str | None
    dtstart: datetime
    days: Days
    clock: Clock
    positions: tuple[int, ...]
    last: int
    count: int = 0
    until: datetime | None = None
    endless: Rrule | None = None

    @property
    def steady(self) -> bool:
        """Whether each day that it allows has as many times as any other."""
        return not self.positions and self.clock.interval == 1

    @property
    def weight(self) -> int:
        """What it costs to read beside its characters, in characters."""
        cycle = 0 if self.days.cycle is None else self.days.cycle.length
        occurrence = 1 if self.steady else OCCURRENCE_WEIGHT
        return occurrence * self.count + cycle // _DAYS_LIKE_A_CHARACTER

    def next_wall(self, after: datetime, *, inclusive: bool = False) -> datetime | None:
        """The first wall time later than `after`, or not before it if `inclusive`.

        None also when the next one is more than 50 years away.
        """
        later = not inclusive or after.microsecond > 0
        earliest = max(_second(after) + later, _second(self.dtstart))
        found = self.first_between(earliest, earliest + HORIZON_DAYS * DAY)
        return None if found is None else _wall(found)

    def names(self, wall: datetime) -> bool:
        """Whether this second is one of the rule's."""
        second = _second(wall)
        day, of_day = divmod(second, DAY)
        if wall < self.dtstart or second > self.last or not self.days.allows(day):
            return False
        if self.positions:
            return self._by_position(second, day) == second
        return self.clock.first(day, of_day) == of_day

    def first_between(self, earliest: int, latest: int) -> int | None:
        """The rule's first second from `earliest` to `latest`, both included."""
        latest = min(latest, self.last)
        if earliest > latest or self.clock.never:
            return None
        search = self._by_position if self.positions else self._by_day
        found = search(earliest, latest // DAY)
        return None if found is None or found > latest else found

    def seconds(self, latest: int) -> Iterator[int]:
        """All of the rule's seconds in order, as far as the period or day of `latest` goes."""
        start = _second(self.dtstart)
        if self.clock.never:
            return iter(())
        if self.positions:
            return self._seconds_by_period(start, latest)
        return (self._seconds_by_day if self.steady else self._seconds_by_step)(start, latest)

    def _seconds_by_day(self, start: int, latest: int) -> Iterator[int]:
        first_day = start // DAY
        for day in self.days.between(first_day, latest // DAY):
            passed = self.passed(day, 1, start) if day == first_day else 0
            for index in range(passed, self.clock.size()):
                yield day * DAY + nth_sum(self.clock.levels, index)

    def _seconds_by_period(self, start: int, latest: int) -> Iterator[int]:
        for first, days in self.periods(start // DAY, latest // DAY):
            indexes = self.chosen(days)
            for index in indexes[bisect_left(indexes, self.passed(first, days, start)) :]:
                yield self.nth(first, days, index)

    def _seconds_by_step(self, start: int, latest: int) -> Iterator[int]:
        found = self.first_between(start, latest)
        while found is not None:
            yield found
            found = self.first_between(found + 1, latest)

    def _by_day(self, earliest: int, last_day: int) -> int | None:
        first_day, second = divmod(earliest, DAY)
        for day in self.days.between(first_day, last_day):
            found = self.clock.first(day, second if day == first_day else 0)
            if found is not None:
                return day * DAY + found
        return None

    def _by_position(self, earliest: int, last_day: int) -> int | None:
        for first, days in self.periods(earliest // DAY, last_day):
            size, passed = self._size(days), self.passed(first, days, earliest)
            index = next_chosen(self.positions, size, passed)
            if index is not None:
                return self.nth(first, days, index)
        return None

    def periods(self, first_day: int, last_day: int) -> Iterator[tuple[int, int]]:
        """Of each period that has any, its first day and the days that the rule allows."""
        start, _ = self.days.period(first_day)
        while (day := next(self.days.between(start, last_day), None)) is not None:
            first, last = self.days.period(day)
            yield first, self.days.within(first, last)
            start = last + 1

    def chosen(self, days: int) -> tuple[int, ...]:
        """The indexes that BYSETPOS chooses of a period's times."""
        return chosen(self.positions, self._size(days))

    def passed(self, first: int, days: int, earliest: int) -> int:
        """How many of a period's times come before a second."""
        day, second = divmod(earliest - first * DAY, DAY)
        if day < 0:
            return 0
        today = sums_before(self.clock.levels, second) if days >> day & 1 else 0
        return self._size(days & (1 << day) - 1) + today

    def nth(self, first: int, days: int, index: int) -> int:
        """The second of a period's times that has an index."""
        nth_day, nth_time = divmod(index, self.clock.size())
        return (first + _nth_bit(days, nth_day)) * DAY + nth_sum(self.clock.levels, nth_time)

    def _size(self, days: int) -> int:
        return days.bit_count() * self.clock.size()


@lru_cache(maxsize=4_096)
def parse_rrule(text: str) -> Rrule:
    """Read a DTSTART line and an RRULE line, in either order.

    Raises:
        Invalid: When the text breaks a rule.
    """
    parts = read_parts(text)
    clock = clock_of(parts)
    cycle = clock.cycle or cycle_of(parts)
    positions = parts.positions if parts.frequency < Frequency.DAILY else ()
    nearest = min(map(abs, positions), default=1)
    rule = Rrule(
        elapsed=parts.frequency >= Frequency.HOURLY,
        timezone=parts.timezone,
        dtstart=parts.dtstart,
        days=days_of(parts, cycle, least=-(-nearest // max(clock.size(), 1))),
        clock=clock,
        positions=positions,
        last=_LAST_SECOND if parts.until is None else _second(parts.until),
    )
    if parts.count is not None:
        last = _last_of(rule, parts.count)
        return replace(rule, last=last, count=parts.count, endless=rule)
    if parts.until_instant is not None:
        return replace(rule, until=parts.until_instant, endless=replace(rule, last=_LAST_SECOND))
    return rule


def _last_of(endless: Rrule, count: int) -> int:
    """The second of the last of so many occurrences.

    Raises:
        Invalid: When it is too far away to be counted to.
    """
    start = _second(endless.dtstart)
    limit = start + COUNT_DAYS * DAY
    if endless.first_between(start, limit) is None:
        return start - 1
    found = next(islice(endless.seconds(limit), count - 1, None), None)
    if found is None:
        raise Invalid(
            f"COUNT={count} is not reached within 100 years of DTSTART; "
            "give an UNTIL instead, or leave COUNT out."
        )
    return found


def _nth_bit(mask: int, index: int) -> int:
    """Where the bit is that has so many others below it."""
    widths = range(1, mask.bit_length() + 1)
    return bisect_right(widths, index, key=lambda width: (mask & (1 << width) - 1).bit_count())


def _second(wall: datetime) -> int:
    return wall.toordinal() * DAY + wall.hour * 3_600 + wall.minute * 60 + wall.second


def _wall(second: int) -> datetime:
    ordinal, rest = divmod(second, DAY)
    return datetime.fromordinal(ordinal) + timedelta(seconds=rest)
