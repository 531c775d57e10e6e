"""What a job fires next when the tables of its time zone have changed."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import NamedTuple

from domain.ids import EPOCH
from domain.schedules.rrule_end import next_of
from domain.schedules.schedule import TICK, Schedule, Spec, next_fire_time, utc_offset
from domain.schedules.wall_patterns import pattern_of
from domain.schedules.zones import zone_of


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
    specs = (*schedule.parts, *schedule.exclude)
    return schedule.timezone != "UTC" or any("TZID" in (one.rrule or "").upper() for one in specs)


def _wall(instant: datetime, offset: int) -> datetime:
    return instant + timedelta(seconds=offset)


def _is_fixed(schedule: Schedule, instant: datetime) -> bool:
    """Whether the instant fires only because of what clocks of the schedule's zone show then."""
    return not any(_names_itself(schedule, spec, instant) for spec in schedule.parts)


def _names_itself(schedule: Schedule, spec: Spec, instant: datetime) -> bool:
    found = pattern_of(spec, schedule)
    if found is not None:
        pattern, zone = found
        if not pattern.elapsed and zone is zone_of(schedule.timezone):
            return False
        gap, fold = schedule.gap, schedule.fold
        return next_of(pattern, zone, after=instant - TICK, gap=gap, fold=fold) == instant
    if spec.every is not None:
        return not (instant - EPOCH - spec.phase) % spec.every
    return instant in {spec.at, spec.after and schedule.accepted_at + spec.after}
