"""`after`: a delay from when the schedule is accepted."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar

from msgspec import UnsetType

from domain.durations import Duration, duration_of
from domain.errors import Invalid
from domain.schedules.clocks.local_times import LocalTimes
from domain.schedules.kinds.kind import Kind, Terms
from domain.schedules.kinds.reading import Reading
from domain.schedules.words import duration_in_words

MAX_DELAY = timedelta(days=3660)

AfterSent = Duration | UnsetType
AfterShown = timedelta | UnsetType


class After(Kind, frozen=True):
    """One instant: so long after the schedule was accepted."""

    after: timedelta

    may_exclude: ClassVar[bool] = False
    counts_from_acceptance: ClassVar[bool] = True

    @classmethod
    def read(cls, sent: dict[str, Any], times: LocalTimes) -> list[dict[str, Any]]:
        return [{"after": duration_of(sent["after"], "/after")}]

    def check(self, reading: Reading) -> None:
        if not timedelta(0) <= self.after <= MAX_DELAY:
            raise Invalid("The delay must be between 0 seconds and 10 years.", "/after")

    def check_excluding(self) -> None:
        raise Invalid("A delay cannot be excluded; name the instant with `at`.", "/after")

    def next(self, terms: Terms, after: datetime) -> datetime | None:
        terms.work.steps += 1
        instant = terms.accepted_at + self.after
        return instant if instant > after else None

    def names(self, terms: Terms, instant: datetime) -> bool:
        return instant == terms.accepted_at + self.after

    def only_instant(self, terms: Terms) -> datetime:
        return terms.accepted_at + self.after

    def in_words(self, terms: Terms) -> str:
        if not self.after:
            return "once, when it is accepted"
        return f"once, {duration_in_words(self.after)} after it is accepted"
