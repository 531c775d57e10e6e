"""What kinds have in common that name wall-clock times: cron expressions and recurrence rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from typing import ClassVar, NamedTuple
from zoneinfo import ZoneInfo

from domain.schedules.clocks.wall_clock import Fold, Gap, WallPattern
from domain.schedules.kinds.kind import Kind, Terms
from domain.schedules.rrule.end import next_of

WORK_OF_WALL_TIME = 4
"""What a wall-clock time costs to find, compared with a multiple of an interval."""
HORIZON_YEARS = 50
_TICK = timedelta(microseconds=1)


class Placed(NamedTuple):
    """A pattern of wall-clock times, and the zone whose clocks it is read by."""

    pattern: WallPattern
    zone: ZoneInfo


class ByClock(Kind, frozen=True):
    """A kind whose instants are those at which clocks show a wall time that it names."""

    by_clock: ClassVar[bool] = True

    def placed(self, timezone: str, seed: str) -> Placed:
        """Its pattern and zone.

        Args:
            timezone: Of the schedule.
            seed: What it is spread by.
        """
        raise NotImplementedError

    def spread_by(self, seed: str) -> str:
        """The seed if it depends on it, else none: what is cached is then shared by all jobs."""
        return ""

    def next(self, terms: Terms, after: datetime) -> datetime | None:
        # A midnight with 10,000 daily jobs asks the same question 10,000 times, hence a cache.
        found = _next(
            self, self.spread_by(terms.seed), terms.timezone, terms.gap, terms.fold, after
        )
        passes = 2 if terms.fold is Fold.BOTH else 1
        terms.work.steps += WORK_OF_WALL_TIME * passes + _years(after, found)
        return found

    def names(self, terms: Terms, instant: datetime) -> bool:
        pattern, zone = self.placed(terms.timezone, terms.seed)
        return next_of(pattern, zone, after=instant - _TICK, gap=terms.gap, fold=terms.fold) == (
            instant
        )


def wall_patterns(kinds: Iterable[Kind], terms: Terms) -> Iterator[Placed]:
    """The patterns of those kinds that name wall-clock times."""
    for kind in kinds:
        if isinstance(kind, ByClock):
            yield kind.placed(terms.timezone, terms.seed)


@lru_cache(maxsize=8_192)
def _next(  # noqa: PLR0917 (the key of the cache)
    kind: ByClock, seed: str, timezone: str, gap: Gap, fold: Fold, after: datetime
) -> datetime | None:
    pattern, zone = kind.placed(timezone, seed)
    return next_of(pattern, zone, after=after, gap=gap, fold=fold)


def _years(after: datetime, found: datetime | None) -> int:
    """How many years a search went through."""
    return HORIZON_YEARS if found is None else min((found - after).days // 366, HORIZON_YEARS)
