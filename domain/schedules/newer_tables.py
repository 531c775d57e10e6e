"""What a job fires next when the tables of its time zone have changed."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import NamedTuple

from domain.schedules.clocks.zones import zone_of
from domain.schedules.fire_times import next_fire_time
from domain.schedules.kinds import kind_of
from domain.schedules.kinds.by_clock import ByClock
from domain.schedules.kinds.kind import Kind
from domain.schedules.schedule import Schedule, utc_offset


class Claimed(NamedTuple):
    """A fire time that has its run, and how far clocks were ahead of UTC by the tables of then."""

    scheduled_for: datetime
    utc_offset: int


def next_by_newer_tables(
    schedule: Schedule, *, after: datetime, claimed: Collection[Claimed]
) -> datetime | None:
    """The first fire time later than `after` whose wall time has not its run by older tables.

    Args:
        schedule: With its calendars filled in.
        claimed: Fire times of the day before `after`, and later ones.
    """
    moved = {
        _wall(one.scheduled_for, one.utc_offset)
        for one in claimed
        if one.utc_offset != utc_offset(schedule, one.scheduled_for)
    }
    found = next_fire_time(schedule, after=after)
    while found is not None and _wall(found, utc_offset(schedule, found)) in moved:
        if not _is_fixed(schedule, found):
            break
        found = next_fire_time(schedule, after=found)
    return found


def depends_on_tables(schedule: Schedule) -> bool:
    """Whether newer tables may move what it fires next."""
    kinds = map(kind_of, (*schedule.parts, *schedule.exclude))
    return schedule.timezone != "UTC" or any(kind is not None and kind.names_zone for kind in kinds)


def _wall(instant: datetime, offset: int) -> datetime:
    return instant + timedelta(seconds=offset)


def _is_fixed(schedule: Schedule, instant: datetime) -> bool:
    """Whether the instant fires only because of what clocks of the schedule's zone show then."""
    return not any(_names_itself(schedule, kind, instant) for kind in schedule.kinds)


def _names_itself(schedule: Schedule, kind: Kind, instant: datetime) -> bool:
    if isinstance(kind, ByClock):
        pattern, zone = kind.placed(schedule.timezone, schedule.seed)
        if not pattern.elapsed and zone is zone_of(schedule.timezone):
            return False
    return kind.names(schedule, instant)
