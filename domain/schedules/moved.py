"""Exclusions of fire times that clocks skip: what names them excludes them where the gap ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from domain.schedules.clocks.wall_clock import Gap, WallPattern, skipped_before
from domain.schedules.clocks.zones import zone_of
from domain.schedules.kinds.by_clock import ByClock
from domain.schedules.kinds.kind import Kind
from domain.schedules.rrule.end import last_instant, unbounded
from domain.schedules.schedule import Schedule


class Moved:
    """Whether an instant fires only in place of wall times that are skipped, all of them excluded.

    Args:
        names: Tell whether an exclusion names a wall time of the schedule's zone.
    """

    def __init__(self, schedule: Schedule, names: Sequence[Callable[[datetime], bool]]) -> None:
        self._schedule = schedule
        self._names = names
        self._zone = zone_of(schedule.timezone)
        by_clock = any(kind.by_clock for kind in schedule.kinds)
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
        for kind in self._schedule.kinds:
            placed = self._in_this_zone(kind)
            if placed is None:
                if kind.names(self._schedule, instant):
                    return False
            elif self._is_in_force(placed, instant):
                pattern = unbounded(placed, self._zone)
                for wall in _walls(pattern, shown - skipped, shown):
                    if wall == shown or not any(names(wall) for names in self._names):
                        return False
                    some = True
        return some

    def _in_this_zone(self, kind: Kind) -> WallPattern | None:
        """The pattern of a kind that is read by the clocks of the schedule's zone."""
        if not isinstance(kind, ByClock):
            return None
        pattern, zone = kind.placed(self._schedule.timezone, self._schedule.seed)
        return pattern if zone is self._zone else None

    def _is_in_force(self, pattern: WallPattern, instant: datetime) -> bool:
        schedule = self._schedule
        return instant <= last_instant(pattern, self._zone, schedule.gap, schedule.fold)


def _walls(pattern: WallPattern, first: datetime, last: datetime) -> Iterator[datetime]:
    """What a pattern names in a gap, and where that ends; of elapsed time only the latter."""
    wall = pattern.next_wall(last if pattern.elapsed else first, inclusive=True)
    while wall is not None and wall <= last:
        yield wall
        wall = pattern.next_wall(wall)
