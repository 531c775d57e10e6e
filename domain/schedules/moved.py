"""Exclusions of fire times that clocks skip: what names them excludes them where the gap ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from domain.ids import EPOCH
from domain.schedules.cron import parse_cron
from domain.schedules.rrule import parse_rrule
from domain.schedules.rrule_end import last_instant, next_of, unbounded
from domain.schedules.wall_clock import Gap, WallPattern, skipped_before
from domain.schedules.zones import zone_of

if TYPE_CHECKING:  # schedules look in here
    from domain.schedules.schedule import Schedule, Spec

_TICK = timedelta(microseconds=1)


class Moved:
    """Whether an instant fires only in place of wall times that are skipped, all of them excluded.

    Args:
        names: Tell whether an exclusion names a wall time of the schedule's zone.
    """

    def __init__(self, schedule: Schedule, names: Sequence[Callable[[datetime], bool]]) -> None:
        self._schedule = schedule
        self._names = names
        self._zone = zone_of(schedule.timezone)
        by_clock = any(spec.cron or spec.rrule for spec in schedule.parts)
        self._never = (
            schedule.gap is not Gap.RUN_AFTER or schedule.timezone == "UTC" or not by_clock
        )

    def is_excluded(self, instant: datetime, local: datetime) -> bool:
        """Whether it is so; `local` is the instant in the schedule's zone."""
        if self._never:
            return False
        try:
            skipped = skipped_before(local)
        except OverflowError:  # at the ends of the calendar
            return False
        return bool(skipped) and self._is_excluded(instant, local.replace(tzinfo=None), skipped)

    def _is_excluded(self, instant: datetime, shown: datetime, skipped: timedelta) -> bool:
        some = False
        for spec in self._schedule.parts:
            pattern, zone = self._pattern(spec)
            if pattern is None:
                if self._names_itself(spec, instant):
                    return False
            elif zone is not self._zone:
                if self._fires(pattern, zone, instant):
                    return False
            elif self._is_in_force(pattern, instant):
                for wall in _walls(unbounded(pattern, zone), shown - skipped, shown):
                    if wall == shown or not any(names(wall) for names in self._names):
                        return False
                    some = True
        return some

    def _pattern(self, spec: Spec) -> tuple[WallPattern | None, ZoneInfo]:
        if spec.cron is not None:
            return parse_cron(spec.cron, seed=self._schedule.seed), self._zone
        if spec.rrule is not None:
            rule = parse_rrule(spec.rrule)
            return rule, self._zone if rule.timezone is None else zone_of(rule.timezone)
        return None, self._zone

    def _names_itself(self, spec: Spec, instant: datetime) -> bool:
        if spec.every is not None:
            return not (instant - EPOCH - spec.phase) % spec.every
        after = None if spec.after is None else self._schedule.accepted_at + spec.after
        return instant in {spec.at, after}

    def _fires(self, pattern: WallPattern, zone: ZoneInfo, instant: datetime) -> bool:
        gap, fold = self._schedule.gap, self._schedule.fold
        return next_of(pattern, zone, after=instant - _TICK, gap=gap, fold=fold) == instant

    def _is_in_force(self, pattern: WallPattern, instant: datetime) -> bool:
        schedule = self._schedule
        return instant <= last_instant(pattern, self._zone, schedule.gap, schedule.fold)


def _walls(pattern: WallPattern, first: datetime, last: datetime) -> Iterator[datetime]:
    """What a pattern names in a gap, and where that ends; of elapsed time only the latter."""
    wall = pattern.next_wall(last if pattern.elapsed else first, inclusive=True)
    while wall is not None and wall <= last:
        yield wall
        wall = pattern.next_wall(wall)
