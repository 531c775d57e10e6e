"""A schedule beside the one that its job had before."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from domain.schedules.cron import MACROS
from domain.schedules.schedule import (
    TICK,
    Exclusion,
    Schedule,
    Spec,
    is_excluded,
    next_nominal_time,
)

_OWN = {"accepted_at", "counted_from", "seed"}
_FORM = {*Spec.__struct_fields__, "specs", "exclude"}
_BESIDE_SPECS = [name for name in Schedule.__struct_fields__ if name not in _FORM | _OWN]
_ALL = [*Spec.__struct_fields__, "specs", "exclude", *_BESIDE_SPECS]


def is_same(schedule: Schedule, other: Schedule) -> bool:
    """Whether two schedules are shown alike: in every field that a client may send."""
    return all(getattr(schedule, name) == getattr(other, name) for name in _ALL)


def names_alike(schedule: Schedule, other: Schedule) -> bool:
    """Whether two schedules name the same fire times by the same means, however they are written.

    A delay counts from when its schedule was accepted: it is alike where it is as long.
    """
    return (
        _specs(schedule.parts) == _specs(other.parts)
        and _specs(schedule.exclude) == _specs(other.exclude)
        and all(getattr(schedule, name) == getattr(other, name) for name in _BESIDE_SPECS)
    )


def delays(schedule: Schedule) -> set[object]:
    """The delays that count from when the schedule was accepted."""
    return {spec.after for spec in schedule.parts if spec.after is not None}


def names(schedule: Schedule, instant: datetime) -> bool:
    """Whether an instant is a fire time of the schedule, whose calendars are filled in."""
    return next_nominal_time(schedule, instant - TICK) == instant and not is_excluded(
        schedule, instant
    )


def counted_after(schedule: Schedule) -> datetime:
    """The instant after which a job's runs count towards the number that its schedule allows."""
    return (schedule.counted_from or schedule.accepted_at) - TICK


def _specs(specs: tuple[Spec, ...]) -> set[tuple[Any, ...]]:
    return {_spec(spec) for spec in specs}


def _spec(spec: Spec) -> tuple[Any, ...]:
    fields = Exclusion if isinstance(spec, Exclusion) else Spec
    return tuple(_value(name, getattr(spec, name)) for name in fields.__struct_fields__)


def _value(name: str, value: Any) -> Any:
    if value is None or name not in ("cron", "rrule"):
        return value
    if name == "cron":
        text = value.strip().lower()
        return tuple(MACROS.get(text, text).lower().split())
    lines = value.upper().splitlines()
    return frozenset(frozenset(re.split("[:;]", line.strip())) for line in lines)
