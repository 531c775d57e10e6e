"""The days of a month that the two day fields of a cron expression name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import NamedTuple

from domain.schedules.cron.fields import (
    DAY,
    WEEKDAY,
    is_unrestricted,
    number,
    part_of,
    quoted,
    refusal,
)

_FROM_LAST = re.compile(r"L-(\d{1,2})")
_NEAREST = re.compile(r"(\d{1,2})W")
_NTH = re.compile(r"(\w+)#(\w*)")
_SATURDAY, _SUNDAY = 6, 0


class Month(NamedTuple):
    """A month as a wall calendar shows it: there are only 28 kinds.

    Attributes:
        first: Weekday of the 1st, Sunday is 0.
        length: Number of days.
    """

    first: int
    length: int

    def weekday(self, day: int) -> int:
        """Weekday of a day, Sunday is 0."""
        return (self.first + day - 1) % 7


Rule = Callable[[Month], Iterable[int]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Days:
    """Both day fields.

    Attributes:
        either: Whether a day of either field counts, as in Vixie cron where both are restricted;
            else a day must be in both.
    """

    by_date: tuple[Rule, ...]
    by_weekday: tuple[Rule, ...]
    either: bool


@lru_cache(maxsize=4_096)
def parse_days(dates: str, weekdays: str, seed: str) -> Days:
    """Read the day-of-month and the day-of-week field.

    Raises:
        Invalid: With the part at fault and what would be right.
    """
    return Days(
        by_date=tuple(_date_rule(part, seed) for part in _parts(dates)),
        by_weekday=tuple(_weekday_rule(part, seed) for part in _parts(weekdays)),
        either=not is_unrestricted(dates) and not is_unrestricted(weekdays),
    )


@lru_cache(maxsize=4_096)
def days_of(days: Days, month: Month) -> tuple[int, ...]:
    """The days of such a month that the fields name, in order."""
    by_date = {day for rule in days.by_date for day in rule(month)}
    by_weekday = {day for rule in days.by_weekday for day in rule(month)}
    named = by_date | by_weekday if days.either else by_date & by_weekday
    return tuple(sorted(named))


def _parts(text: str) -> list[str]:
    return ["*"] if text == "?" else text.split(",")


def _date_rule(part: str, seed: str) -> Rule:
    if part == "LW":
        return _last_workday
    if part == "L":
        return partial(_from_last, 0)
    if match := _FROM_LAST.fullmatch(part):
        back = int(match[1])
        if back > 30:
            raise refusal(DAY, f"cannot hold {quoted(part)}; use L-1 to L-30")
        return partial(_from_last, back)
    if match := _NEAREST.fullmatch(part):
        return partial(_nearest_workday, number(match[1], DAY))
    if "L" in part or "W" in part:
        raise refusal(
            DAY,
            f"cannot hold {quoted(part)}; L is the last day, L-3 three days before it, 15W the "
            "workday nearest to the 15th and LW the last workday",
        )
    return partial(_dates, frozenset(part_of(part, DAY, seed)))


def _weekday_rule(part: str, seed: str) -> Rule:
    if part == "L":
        raise refusal(WEEKDAY, "cannot hold 'L' alone; use 5L or FRIL for the last Friday")
    if part.endswith("L"):
        return partial(_last_weekday, number(part[:-1], WEEKDAY) % 7)
    if match := _NTH.fullmatch(part):
        if match[2] not in {"1", "2", "3", "4", "5"}:
            raise refusal(WEEKDAY, f"cannot hold {quoted(part)}; after '#' use 1 to 5")
        return partial(_nth_weekday, number(match[1], WEEKDAY) % 7, int(match[2]))
    return partial(_weekdays, frozenset(part_of(part, WEEKDAY, seed)))


def _dates(dates: frozenset[int], month: Month) -> Iterable[int]:
    return (day for day in dates if day <= month.length)


def _from_last(back: int, month: Month) -> Iterable[int]:
    return range(month.length - back, month.length - back + 1) if back < month.length else ()


def _last_workday(month: Month) -> Iterable[int]:
    return _nearest_workday(month.length, month)


def _nearest_workday(day: int, month: Month) -> Iterable[int]:
    if day > month.length:
        return
    weekday = month.weekday(day)
    # It never leaves the month.
    if weekday == _SATURDAY:
        yield day - 1 if day > 1 else day + 2
    elif weekday == _SUNDAY:
        yield day + 1 if day < month.length else day - 2
    else:
        yield day


def _weekdays(weekdays: frozenset[int], month: Month) -> Iterable[int]:
    return (day for day in range(1, month.length + 1) if month.weekday(day) in weekdays)


def _last_weekday(weekday: int, month: Month) -> Iterable[int]:
    yield month.length - (month.weekday(month.length) - weekday) % 7


def _nth_weekday(weekday: int, nth: int, month: Month) -> Iterable[int]:
    day = 1 + (weekday - month.first) % 7 + 7 * (nth - 1)
    if day <= month.length:
        yield day
