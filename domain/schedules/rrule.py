"""Recurrence rules (RFC 5545): which wall-clock times a DTSTART and an RRULE name."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache

from domain.errors import Invalid
from domain.schedules.rrule_clock import DAY, Clock, chosen, clock_of, nth_sum
from domain.schedules.rrule_days import Days, days_of
from domain.schedules.rrule_parts import Frequency, Parts
from domain.schedules.rrule_text import read_parts

HORIZON_DAYS = 50 * 366
_COUNT_DAYS = 100 * 366
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
        last: The second after which nothing counts.
    """

    elapsed: bool
    timezone: str | None
    dtstart: datetime
    days: Days
    clock: Clock
    positions: tuple[int, ...]
    last: int

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
        return wall >= self.dtstart and self.first_between(second, second) is not None

    def first_between(self, earliest: int, latest: int) -> int | None:
        """The rule's first second from `earliest` to `latest`, both included."""
        latest = min(latest, self.last)
        if earliest > latest or self.clock.never:
            return None
        search = self._by_position if self.positions else self._by_day
        found = search(earliest, latest // DAY)
        return None if found is None or found > latest else found

    def _by_day(self, earliest: int, last_day: int) -> int | None:
        first_day, second = divmod(earliest, DAY)
        for day in self.days.between(first_day, last_day):
            found = self.clock.first(day, second if day == first_day else 0)
            if found is not None:
                return day * DAY + found
        return None

    def _by_position(self, earliest: int, last_day: int) -> int | None:
        start, _ = self.days.period(earliest // DAY)
        while (day := next(self.days.between(start, last_day), None)) is not None:
            first, last = self.days.period(day)
            found = next((one for one in _chosen_of(self, first, last) if one >= earliest), None)
            if found is not None:
                return found
            start = last + 1
        return None


@lru_cache(maxsize=4_096)
def parse_rrule(text: str) -> Rrule:
    """Read a DTSTART line and an RRULE line, in either order.

    Without a time zone, an UNTIL that ends in Z is read as if it did not.

    Raises:
        Invalid: When the text breaks a rule.
    """
    parts = read_parts(text)
    last = _LAST_SECOND if parts.until is None else _second(parts.until)
    if parts.count is not None:
        last = _last_of(_rule(parts, last), parts.count)
    return _rule(parts, last)


def _rule(parts: Parts, last: int) -> Rrule:
    return Rrule(
        elapsed=parts.frequency >= Frequency.HOURLY,
        timezone=parts.timezone,
        dtstart=parts.dtstart,
        days=days_of(parts),
        clock=clock_of(parts),
        positions=parts.positions if parts.frequency < Frequency.DAILY else (),
        last=last,
    )


def _last_of(endless: Rrule, count: int) -> int:
    """The second of the last of so many occurrences.

    Raises:
        Invalid: When it is too far away to be counted to.
    """
    start = _second(endless.dtstart)
    found, limit = start - 1, start + _COUNT_DAYS * DAY
    for number in range(count):
        upcoming = endless.first_between(found + 1, limit)
        if upcoming is None:
            if number == 0:
                return found
            raise Invalid(
                f"COUNT={count} is not reached within 100 years of DTSTART; "
                "give an UNTIL instead, or leave COUNT out."
            )
        found = upcoming
    return found


@lru_cache(maxsize=1_024)
def _chosen_of(rule: Rrule, first: int, last: int) -> tuple[int, ...]:
    """The seconds that BYSETPOS chooses in the period of these days."""
    days, times = list(rule.days.between(first, last)), rule.clock.size()
    return tuple(
        days[at // times] * DAY + nth_sum(rule.clock.levels, at % times)
        for at in chosen(rule.positions, len(days) * times)
    )


def _second(wall: datetime) -> int:
    return wall.toordinal() * DAY + wall.hour * 3_600 + wall.minute * 60 + wall.second


def _wall(second: int) -> datetime:
    ordinal, rest = divmod(second, DAY)
    return datetime.fromordinal(ordinal) + timedelta(seconds=rest)
