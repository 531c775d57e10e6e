"""What a cron expression means, worked out slowly: every minute is looked at by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field of an expression: its text, and the numbers that it means."""

    text: str
    values: frozenset[int]

    @property
    def starred(self) -> bool:
        return self.text.startswith("*")


@dataclass(frozen=True, kw_only=True, repr=False)
class Cron:
    """An expression with its five fields."""

    minute: Field
    hour: Field
    day: Field
    month: Field
    weekday: Field

    def __repr__(self) -> str:
        fields = (self.minute, self.hour, self.day, self.month, self.weekday)
        return " ".join(field.text for field in fields)

    def names(self, wall: datetime) -> bool:
        """Whether the expression names this minute of a wall clock."""
        return (
            wall.minute in self.minute.values
            and wall.hour in self.hour.values
            and self._names_day(wall)
        )

    def _names_day(self, wall: datetime) -> bool:
        if wall.month not in self.month.values:
            return False
        by_day = wall.day in self.day.values
        by_weekday = wall.isoweekday() % 7 in {value % 7 for value in self.weekday.values}
        if self.day.starred or self.weekday.starred:
            return by_day and by_weekday
        return by_day or by_weekday


def elapsed_times(cron: Cron, zone: ZoneInfo, start: datetime, end: datetime) -> list[datetime]:
    """For wildcard hours: each minute after `start`, up to `end`, that a clock there shows so."""
    return [instant for instant in _minutes(start, end) if cron.names(instant.astimezone(zone))]


def wall_clock_times(cron: Cron, zone: ZoneInfo, start: datetime, end: datetime) -> list[datetime]:
    """For fixed hours: each named wall time once, in a fold's first pass or after a gap."""
    first = start.astimezone(zone).replace(tzinfo=None) - DAY
    last = end.astimezone(zone).replace(tzinfo=None) + DAY
    named = (wall for wall in _minutes(first, last) if cron.names(wall))
    instants = {_instant(wall, zone) for wall in named}
    return sorted(instant for instant in instants if start < instant <= end)


def _minutes(start: datetime, end: datetime) -> Iterator[datetime]:
    minute = start.replace(second=0, microsecond=0) + MINUTE
    while minute <= end:
        yield minute
        minute += MINUTE


def _instant(wall: datetime, zone: ZoneInfo) -> datetime:
    while True:
        instant = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
        if instant.astimezone(zone).replace(tzinfo=None) == wall:
            return instant
        wall += MINUTE


def _listed(low: int, high: int) -> st.SearchStrategy[Field]:
    numbers = st.sets(st.integers(low, high), min_size=1, max_size=4)
    return numbers.map(
        lambda values: Field(text=",".join(map(str, sorted(values))), values=frozenset(values))
    )


def _ranged(low: int, high: int) -> st.SearchStrategy[Field]:
    ends = st.tuples(st.integers(low, high), st.integers(low, high)).map(sorted)
    return ends.map(
        lambda pair: Field(
            text=f"{pair[0]}-{pair[1]}", values=frozenset(range(pair[0], pair[1] + 1))
        )
    )


def _stepped(low: int, high: int) -> st.SearchStrategy[Field]:
    return st.integers(2, high - low).map(
        lambda step: Field(text=f"*/{step}", values=frozenset(range(low, high + 1, step)))
    )


def _any(low: int, high: int) -> st.SearchStrategy[Field]:
    return st.just(Field(text="*", values=frozenset(range(low, high + 1))))


def fixed(low: int, high: int) -> st.SearchStrategy[Field]:
    """Fields that name their numbers."""
    return _listed(low, high) | _ranged(low, high)


def starred(low: int, high: int) -> st.SearchStrategy[Field]:
    """Fields that follow the clock."""
    return _any(low, high) | _stepped(low, high)


def either(low: int, high: int) -> st.SearchStrategy[Field]:
    """Any field."""
    return fixed(low, high) | starred(low, high)


ANY_DAY, ANY_MONTH, ANY_WEEKDAY = _any(1, 31), _any(1, 12), _any(0, 6)


def crons(
    minute: st.SearchStrategy[Field],
    hour: st.SearchStrategy[Field],
    day: st.SearchStrategy[Field] = ANY_DAY,
    month: st.SearchStrategy[Field] = ANY_MONTH,
    weekday: st.SearchStrategy[Field] = ANY_WEEKDAY,
) -> st.SearchStrategy[Cron]:
    """Expressions of such fields."""
    return st.builds(Cron, minute=minute, hour=hour, day=day, month=month, weekday=weekday)
