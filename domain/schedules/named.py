"""What the specs of a schedule name, one instant after the other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from domain.durations import END_OF_TIME
from domain.ids import EPOCH
from domain.schedules.cron import parse_cron
from domain.schedules.cron_fields import seed_for
from domain.schedules.rrule import parse_rrule
from domain.schedules.rrule_end import next_of
from domain.schedules.wall_clock import Fold, Gap, next_instant
from domain.schedules.zones import zone_of

if TYPE_CHECKING:  # schedules look in here
    from domain.schedules.schedule import Schedule, Spec

WORK_OF_WALL_TIME = 4
"""What a wall-clock time costs to find, compared with a multiple of an interval."""
HORIZON_YEARS = 50
_TICK = timedelta(microseconds=1)
_FIRST = datetime.min.replace(tzinfo=UTC)


class Named:
    """The instants that a schedule names, excluded or not.

    Each spec is asked again only when what it named has passed. A question costs more steps for a
    clock's times than for an interval's, and one for each year that is searched.
    """

    def __init__(self, schedule: Schedule) -> None:
        self._work = schedule.work
        self._schedule = schedule
        self._specs = schedule.parts
        self._upcoming: list[datetime | None] = [_FIRST] * len(self._specs)

    def later_than(self, after: datetime) -> datetime | None:
        """The first instant strictly later than `after`, which grows from call to call."""
        start, end = self._schedule.start_at, self._schedule.end_at
        if start is not None and after < start:
            after = start - _TICK
        for number, upcoming in enumerate(self._upcoming):
            if upcoming is not None and upcoming <= after:
                self._upcoming[number] = self._next_of(self._specs[number], after)
        first = min((instant for instant in self._upcoming if instant is not None), default=None)
        if first is None or first >= END_OF_TIME or (end is not None and first > end):
            return None
        return first

    def _next_of(self, spec: Spec, after: datetime) -> datetime | None:
        if spec.cron is not None or spec.rrule is not None:
            return self._next_wall_time(spec, after)
        self._work.steps += 1
        if spec.at is not None:
            return _once(spec.at, after)
        if spec.after is not None:
            return _once(self._schedule.accepted_at + spec.after, after)
        if spec.every is not None:
            return _next_multiple(spec.every, spec.phase, after)
        return None

    def _next_wall_time(self, spec: Spec, after: datetime) -> datetime | None:
        schedule = self._schedule
        kind, text, seed = "rrule", spec.rrule or "", ""
        if spec.cron is not None:
            kind, text = "cron", spec.cron
            # A midnight with 10,000 daily jobs asks the same question 10,000 times, hence a cache.
            seed = seed_for(text.upper(), schedule.seed)
        found = _next_wall_time(
            kind, text, seed, schedule.timezone, schedule.gap, schedule.fold, after
        )
        passes = 2 if schedule.fold is Fold.BOTH else 1
        self._work.steps += WORK_OF_WALL_TIME * passes + _years(after, found)
        return found


def _once(instant: datetime, after: datetime) -> datetime | None:
    return instant if instant > after else None


def _next_multiple(every: timedelta, phase: timedelta, after: datetime) -> datetime | None:
    try:
        return EPOCH + phase + ((after - EPOCH - phase) // every + 1) * every
    except OverflowError:
        return None


@lru_cache(maxsize=8_192)
def _next_wall_time(  # noqa: PLR0917 (the key of the cache)
    kind: str, text: str, seed: str, timezone: str, gap: Gap, fold: Fold, after: datetime
) -> datetime | None:
    if kind == "cron":
        pattern = parse_cron(text, seed=seed)
        return next_instant(pattern, zone_of(timezone), after=after, gap=gap, fold=fold)
    rule = parse_rrule(text)
    zone_of_rule = zone_of(rule.timezone or timezone)
    return next_of(rule, zone_of_rule, after=after, gap=gap, fold=fold)


def _years(after: datetime, found: datetime | None) -> int:
    """How many years a search went through."""
    return HORIZON_YEARS if found is None else min((found - after).days // 366, HORIZON_YEARS)
