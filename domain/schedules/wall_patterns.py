"""The patterns of wall-clock times among a schedule's specs."""

from __future__ import annotations

from collections.abc import Iterator

from domain.schedules.kinds.by_clock import ByClock, Placed
from domain.schedules.schedule import Schedule


def wall_patterns(schedule: Schedule) -> Iterator[Placed]:
    """The pattern of each spec that names wall-clock times, and the zone it is read in."""
    for kind in schedule.kinds:
        if isinstance(kind, ByClock):
            yield kind.placed(schedule.timezone, schedule.seed)
