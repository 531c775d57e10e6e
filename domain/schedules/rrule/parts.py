"""What a recurrence rule is made of (RFC 5545)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum


class Frequency(IntEnum):
    """How long a period is, the longest first."""

    YEARLY = 0
    MONTHLY = 1
    WEEKLY = 2
    DAILY = 3
    HOURLY = 4
    MINUTELY = 5
    SECONDLY = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """A rule as it was written; what it leaves out is empty or None.

    Attributes:
        dtstart: Wall time of DTSTART.
        until: Wall time of UNTIL in the zone of DTSTART, or in UTC if that has none.
        until_instant: The same in UTC, if UNTIL ends in Z and DTSTART does not.
        week_start: WKST, Monday being 0.
        weekdays: The entries of BYDAY without a number.
        ordinals: Those with one, as (number, weekday).
    """

    frequency: Frequency
    dtstart: datetime
    timezone: str | None
    interval: int
    count: int | None
    until: datetime | None
    until_instant: datetime | None
    week_start: int
    months: tuple[int, ...]
    month_days: tuple[int, ...]
    year_days: tuple[int, ...]
    week_numbers: tuple[int, ...]
    weekdays: tuple[int, ...]
    ordinals: tuple[tuple[int, int], ...]
    hours: tuple[int, ...]
    minutes: tuple[int, ...]
    seconds: tuple[int, ...]
    positions: tuple[int, ...]
