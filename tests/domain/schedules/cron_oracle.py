"""What a cron expression means, worked out slowly: each minute or second is looked at alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from hypothesis import strategies as st

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field of an expression: its text, and the numbers that it means."""

    text: str
    values: frozenset[int]

    @property
    def starred(self) -> bool:
        return self.text.startswith("*")


WHOLE_MINUTES = Field(text="", values=frozenset({0}))


@dataclass(frozen=True, kw_only=True, repr=False)
class Cron:
    """An expression with its five fields, or six."""

    second: Field = WHOLE_MINUTES
    minute: Field
    hour: Field
    day: Field
    month: Field
    weekday: Field

    def __repr__(self) -> str:
        fields = (self.second, self.minute, self.hour, self.day, self.month, self.weekday)
        return " ".join(field.text for field in fields).strip()

    def names(self, wall: datetime) -> bool:
        """Whether the expression names this instant of a wall clock."""
        return (
            wall.microsecond == 0
            and wall.second in self.second.values
            and wall.minute in self.minute.values
            and wall.hour in self.hour.values
            and self.names_day(wall)
        )

    def names_day(self, wall: datetime) -> bool:
        """Whether the expression names this day."""
        if wall.month not in self.month.values:
            return False
        by_day = wall.day in self.day.values
        by_weekday = wall.isoweekday() % 7 in {value % 7 for value in self.weekday.values}
        if self.day.starred or self.weekday.starred:
            return by_day and by_weekday
        return by_day or by_weekday


def named_walls(cron: Cron, start: datetime, end: datetime, step: timedelta) -> Iterator[datetime]:
    """What the expression names after `start`, up to `end`."""
    wall = start.replace(second=0, microsecond=0)
    while wall <= end:
        if wall > start and cron.names(wall):
            yield wall
        wall += step


def _listed(low: int, high: int) -> st.SearchStrategy[Field]:
    numbers = st.sets(st.integers(low, high), min_size=1, max_size=4)
    return numbers.map(
        lambda values: Field(text=",".join(map(str, sorted(values))), values=frozenset(values))
    )


def _ranged(low: int, high: int) -> st.SearchStrategy[Field]:
    ends = st.tuples(st.integers(low, high), st.integers(low, high)).map(sorted)
    return st.tuples(ends, st.integers(1, 3)).map(
        lambda drawn: Field(
            text=f"{drawn[0][0]}-{drawn[0][1]}" + (f"/{drawn[1]}" if drawn[1] > 1 else ""),
            values=frozenset(range(drawn[0][0], drawn[0][1] + 1, drawn[1])),
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


NO_SECONDS = st.just(WHOLE_MINUTES)
ANY_DAY, ANY_MONTH, ANY_WEEKDAY = _any(1, 31), _any(1, 12), _any(0, 6)
DAYS, MONTHS, WEEKDAYS = either(1, 31), either(1, 12), fixed(0, 7) | starred(0, 6)


def crons(
    minute: st.SearchStrategy[Field],
    hour: st.SearchStrategy[Field],
    day: st.SearchStrategy[Field] = ANY_DAY,
    month: st.SearchStrategy[Field] = ANY_MONTH,
    weekday: st.SearchStrategy[Field] = ANY_WEEKDAY,
    *,
    second: st.SearchStrategy[Field] = NO_SECONDS,
) -> st.SearchStrategy[Cron]:
    """Expressions of such fields."""
    return st.builds(
        Cron, second=second, minute=minute, hour=hour, day=day, month=month, weekday=weekday
    )
