"""Cron expressions: patterns of wall-clock instants."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from calendar import monthrange
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache

from domain.errors import Invalid
from domain.schedules.cron.days import Days, Month, days_of, parse_days
from domain.schedules.cron.fields import (
    HOUR,
    MINUTE,
    MONTH,
    SECOND,
    YEAR,
    is_unrestricted,
    numbers,
    seed_for,
)

MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_LENGTHS = {2: (28, 29), 4: (30,), 6: (30,), 9: (30,), 11: (30,)}
_SECOND = timedelta(seconds=1)
_ALL_YEARS = range(1, YEAR.high + 1)
# In 50 years, even a 29 February on a given weekday comes, also across the year 2100.
_YEARS_SEARCHED = 51


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Cron:
    """A parsed expression.

    Attributes:
        elapsed: Whether the hour field begins with `*`: the pattern follows elapsed time where
            clocks change. Hours that are named, `0-23` or `H/6` too, are wall-clock times.
        never: Whether no month, however it begins, has such a day.
    """

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: Days
    months: tuple[int, ...]
    years: Sequence[int]
    elapsed: bool
    never: bool

    @property
    def either_day(self) -> bool:
        """Whether day-of-month and day-of-week are both restricted, so that either matches."""
        return self.days.either

    def names(self, wall: datetime) -> bool:
        """Whether the expression names this naive local instant.

        One without a field for seconds names whole minutes.
        """
        return (
            wall.microsecond == 0
            and wall.second in self.seconds
            and wall.minute in self.minutes
            and wall.hour in self.hours
            and wall.year in self.years
            and wall.day in self._days(wall.year, wall.month)
        )

    def next_wall(self, after: datetime, *, inclusive: bool = False) -> datetime | None:
        """The first naive local instant later than `after` (or at it), or None.

        The search covers 50 years, or as many of those that the expression names.
        """
        start = None if self.never else _whole_second(after, inclusive=inclusive)
        if start is None:
            return None
        if start.year in self.years and start.day in self._days(start.year, start.month):
            today = self._next_time(start.hour, start.minute, start.second)
            if today is not None:
                return datetime.combine(start, today)
        day = self._next_day(start)
        if day is None:
            return None
        return day.replace(hour=self.hours[0], minute=self.minutes[0], second=self.seconds[0])

    def last_day_from(self, day: date) -> date:
        """The last of the days on end in its month that are named, of which this is one."""
        return day.replace(day=run_from(self._days(day.year, day.month), day.day))

    def _next_time(self, hour: int, minute: int, second: int) -> time | None:
        """The first time of day at or after this one."""
        if hour in self.hours:
            if minute in self.minutes:
                coming = _first_from(self.seconds, second)
                if coming is not None:
                    return time(hour, minute, coming)
            coming = _first_from(self.minutes, minute + 1)
            if coming is not None:
                return time(hour, coming, self.seconds[0])
        coming = _first_from(self.hours, hour + 1)
        return None if coming is None else time(coming, self.minutes[0], self.seconds[0])

    def _next_day(self, after: datetime) -> datetime | None:
        """The first day later than that of `after`, at midnight."""
        first_year = bisect_left(self.years, after.year)
        for year in self.years[first_year : first_year + _YEARS_SEARCHED]:
            first_month = after.month if year == after.year else 1
            for month in self.months[bisect_left(self.months, first_month) :]:
                this_month = (year, month) == (after.year, after.month)
                day = _first_from(self._days(year, month), after.day + 1 if this_month else 1)
                if day is not None:
                    return datetime(year, month, day)  # noqa: DTZ001 - a wall-clock time
        return None

    def _days(self, year: int, month: int) -> tuple[int, ...]:
        if month not in self.months:
            return ()
        return days_of(self.days, _month(year, month))


def parse_cron(expression: str, *, seed: str = "") -> Cron:
    """Read an expression of five to seven fields, or a macro such as `@daily`.

    Args:
        seed: What `H` and `~` are spread by, such as a job's id: the same one, the same times.

    Raises:
        Invalid: With the field at fault and what would be right.
    """
    text = expression.upper() if expression.isascii() else expression
    return _parse(text, seed_for(text, seed))


@lru_cache(maxsize=4_096)
def _parse(text: str, seed: str) -> Cron:
    second, minute, hour, day, month, weekday, year = _seven_fields(text)
    days = parse_days(day, weekday, seed_for(day + weekday, seed))
    months = numbers(month, MONTH, seed)
    return Cron(
        seconds=numbers(second, SECOND, seed),
        minutes=numbers(minute, MINUTE, seed),
        hours=numbers(hour, HOUR, seed),
        days=days,
        months=months,
        years=_ALL_YEARS if year is None else numbers(year, YEAR, seed),
        elapsed=is_unrestricted(hour),
        never=not any(days_of(days, month) for month in _kinds_of(months)),
    )


def _seven_fields(text: str) -> tuple[str, str, str, str, str, str, str | None]:
    if not text.isascii():
        raise Invalid("A cron expression is written in ASCII; use the digits 0 to 9.")
    fields = _expanded(text.strip()).split()
    match fields:
        case [minute, hour, date, month, weekday]:
            return "0", minute, hour, date, month, weekday, None
        case [second, minute, hour, date, month, weekday]:
            return second, minute, hour, date, month, weekday, None
        case [second, minute, hour, date, month, weekday, year]:
            return second, minute, hour, date, month, weekday, year
        case _:
            raise Invalid(
                f"A cron expression has five fields (minute hour day-of-month month day-of-week), "
                f"six with seconds first, or seven with the year last; this one has {len(fields)}."
            )


def _expanded(text: str) -> str:
    if not text.startswith("@"):
        return text
    try:
        return MACROS[text.lower()]
    except KeyError:
        raise Invalid("This macro is unknown; use one of " + ", ".join(MACROS) + ".") from None


def _whole_second(after: datetime, *, inclusive: bool) -> datetime | None:
    if inclusive and after.microsecond == 0:
        return after
    try:
        return after.replace(microsecond=0) + _SECOND
    except OverflowError:
        return None


@lru_cache(maxsize=4_096)
def _month(year: int, month: int) -> Month:
    monday_based, length = monthrange(year, month)
    return Month((monday_based + 1) % 7, length)


def _kinds_of(months: Sequence[int]) -> Iterator[Month]:
    """How these months may look on a calendar."""
    lengths = {length for month in months for length in _LENGTHS.get(month, (31,))}
    return (Month(first, length) for length in lengths for first in range(7))


def run_from(values: Sequence[int], value: int) -> int:
    """The last of the numbers that follow on one of these sorted ones without a break."""
    start = bisect_left(values, value)
    # Up to there, each is as much greater than the one before as its index is.
    end = bisect_right(range(start, len(values)), value - start, key=lambda at: values[at] - at)
    return values[start + end - 1]


def _first_from(values: Sequence[int], low: int) -> int | None:
    """The first of sorted values that is not below `low`."""
    index = bisect_left(values, low)
    return values[index] if index < len(values) else None
