"""From which day on history is kept, as whoever drops partitions has said."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from msgspec import Struct

from storage.postgres.pools import Driver
from storage.schema.partitions import first_day
from storage.sql import statement

MARGIN = timedelta(days=1)
"""No run is made of a day that may be dropped so soon: its history would be gone with it."""

_DAY = timedelta(days=1)

_NOTE = statement("retention/note_kept_from")


class ExpiringDays(Struct, frozen=True):
    """Days whose partitions are dropped soon.

    Attributes:
        until: The first instant behind them.
    """

    start: datetime
    until: datetime

    def __contains__(self, instant: datetime) -> bool:
        return self.start <= instant < self.until


async def note_kept_from(driver: Driver, day: date) -> None:
    """Say that partitions of earlier days are dropped from now on."""
    await _NOTE.execute(driver, kept_from=day)


async def expiring_days(driver: Driver, within: timedelta = MARGIN) -> ExpiringDays | None:
    """The days that are dropped within so long, in whole days, if there are any.

    Older ones have no partition: a run of theirs is kept from its end on.
    """
    kept_from: date | None = await driver.fetchval("SELECT kept_from FROM retention")
    first = await first_day(driver, "runs")
    if kept_from is None or first is None:
        return None
    days = ExpiringDays(_midnight(first), _midnight(kept_from + within // _DAY * _DAY))
    return days if days.start < days.until else None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
