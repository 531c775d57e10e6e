"""`every`: multiples of an interval, moved by a `phase`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated, Any

from msgspec import Meta, UnsetType

from domain.durations import Duration, duration_of
from domain.errors import Invalid
from domain.ids import EPOCH
from domain.schedules.clocks.local_times import LocalTimes
from domain.schedules.kinds.kind import Kind, Rule, Terms
from domain.schedules.kinds.reading import Reading
from domain.schedules.words import duration_in_words, interval_in_words

MIN_INTERVAL = timedelta(seconds=1)
MAX_INTERVAL = timedelta(days=3660)
_DAY = timedelta(days=1)

EverySent = Duration | UnsetType
PhaseSent = Annotated[Duration, Meta(description="Shifts `every`")] | UnsetType
EveryShown = timedelta | UnsetType


class Every(Kind, frozen=True):
    """Whole multiples of an interval since 1970-01-01T00:00Z, plus `phase`.

    So they neither drift nor move with a restart.
    """

    every: timedelta
    phase: timedelta = timedelta(0)

    @classmethod
    def read(cls, sent: dict[str, Any], times: LocalTimes) -> list[dict[str, Any]]:
        return [{name: duration_of(value, f"/{name}") for name, value in sent.items()}]

    def shown(self) -> dict[str, Any]:
        return {"every": self.every, "phase": self.phase} if self.phase else {"every": self.every}

    def check(self, reading: Reading) -> None:
        if not MIN_INTERVAL <= self.every <= MAX_INTERVAL:
            raise Invalid("The interval must be between 1 second and 10 years.", "/every")
        if not timedelta(0) <= self.phase < self.every:
            raise Invalid("The phase must be at least 0 and less than the interval.", "/phase")

    def next(self, terms: Terms, after: datetime) -> datetime | None:
        terms.work.steps += 1
        every, phase = self.every, self.phase
        try:
            return EPOCH + phase + ((after - EPOCH - phase) // every + 1) * every
        except OverflowError:
            return None

    def names(self, terms: Terms, instant: datetime) -> bool:
        return not (instant - EPOCH - self.phase) % self.every

    def rule(self, terms: Terms) -> Rule:
        def until(instant: datetime, _local: datetime) -> datetime | None:
            return instant if self.names(terms, instant) else None

        return Rule(1, until)

    def in_words(self, terms: Terms) -> str:
        offset = f", offset by {duration_in_words(self.phase)}" if self.phase else ""
        return interval_in_words(self.every) + offset

    def warnings(self, terms: Terms) -> Iterator[str]:
        if _DAY % self.every and self.every % _DAY:
            yield (
                f"{duration_in_words(self.every).capitalize()} does not divide a day evenly, so "
                f"what fires {interval_in_words(self.every)} drifts through the day; "
                "a cron expression keeps to its hours."
            )
