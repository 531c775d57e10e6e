"""`at`: one instant."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, UnsetType

from domain.durations import Instant
from domain.schedules.clocks.local_times import LocalTimes
from domain.schedules.kinds.kind import Kind, Terms
from domain.schedules.words import instant_in_words

AtSent = Instant | UnsetType
# In UTC, which is not said by `tz`: that would also be checked.
AtShown = (
    Annotated[
        datetime,
        Meta(examples=["2026-11-24T03:00:00.000000Z"], extra_json_schema={"format": "date-time"}),
    ]
    | UnsetType
)


class At(Kind, frozen=True):
    """One instant, in UTC."""

    at: datetime

    @classmethod
    def read(cls, sent: dict[str, Any], times: LocalTimes) -> list[dict[str, Any]]:
        return [{"at": instant} for instant in times.instants(sent["at"], "/at")]

    def next(self, terms: Terms, after: datetime) -> datetime | None:
        terms.work.steps += 1
        return self.at if self.at > after else None

    def names(self, terms: Terms, instant: datetime) -> bool:
        return instant == self.at

    def only_instant(self, terms: Terms) -> datetime:
        return self.at

    def in_words(self, terms: Terms) -> str:
        return f"once, at {instant_in_words(self.at)}"
