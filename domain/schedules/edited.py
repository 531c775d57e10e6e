"""A schedule beside the one that its job had before."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from domain.schedules.fire_times import TICK, is_excluded, next_nominal_time
from domain.schedules.kinds import Spec, kind_of
from domain.schedules.kinds.kind import Kind
from domain.schedules.schedule import Exclusion, Schedule

_OWN = {"accepted_at", "counted_from", "seed"}
_FORM = {*Spec.__struct_fields__, "specs", "exclude"}
_BESIDE_SPECS = [name for name in Schedule.__struct_fields__ if name not in _FORM | _OWN]
_DAYS = [name for name in Exclusion.__struct_fields__ if name not in Spec.__struct_fields__]
_ALL = [*Spec.__struct_fields__, "specs", "exclude", *_BESIDE_SPECS]


def is_same(schedule: Schedule, other: Schedule) -> bool:
    """Whether two schedules are shown alike: in every field that a client may send."""
    return all(getattr(schedule, name) == getattr(other, name) for name in _ALL)


def names_alike(schedule: Schedule, other: Schedule) -> bool:
    """Whether two schedules name the same fire times by the same means, however they are written.

    A delay counts from when its schedule was accepted: it is alike where it is as long.
    """
    return (
        set(map(_normal, schedule.kinds)) == set(map(_normal, other.kinds))
        and _excluded(schedule) == _excluded(other)
        and all(getattr(schedule, name) == getattr(other, name) for name in _BESIDE_SPECS)
    )


def delays(schedule: Schedule) -> set[Kind]:
    """What counts from when the schedule was accepted."""
    return {kind for kind in schedule.kinds if kind.counts_from_acceptance}


def names(schedule: Schedule, instant: datetime) -> bool:
    """Whether an instant is a fire time of the schedule, whose calendars are filled in."""
    return next_nominal_time(schedule, instant - TICK) == instant and not is_excluded(
        schedule, instant
    )


def counted_after(schedule: Schedule) -> datetime:
    """The instant after which a job's runs count towards the number that its schedule allows."""
    return (schedule.counted_from or schedule.accepted_at) - TICK


def count_of(schedule: Schedule, fire_times: Iterable[datetime]) -> int:
    """How many of these fire times count: none of before the count of runs was begun anew."""
    after = counted_after(schedule)
    return sum(instant > after for instant in fire_times)


def _excluded(schedule: Schedule) -> set[tuple[object, ...]]:
    return {
        (_normal(kind_of(one)), *(getattr(one, name) for name in _DAYS)) for one in schedule.exclude
    }


def _normal(kind: Kind | None) -> object:
    return None if kind is None else kind.normal()
