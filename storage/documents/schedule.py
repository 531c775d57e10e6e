"""A schedule as it is stored, and answered."""

from __future__ import annotations

from datetime import date as Day  # noqa: N812 (a field is called `date`)
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from domain.schedules.clocks.wall_clock import Fold, Gap
from domain.schedules.kinds import EXACTLY_ONE, ShownSpec, Spec, kind_of
from domain.schedules.schedule import Exclusion, Schedule
from storage.documents.instants import Instant, instant, instant_or_none


class SpecResource(ShownSpec, frozen=True, kw_only=True, omit_defaults=True):
    __doc__ = f"Instants: {EXACTLY_ONE}."

    @classmethod
    def of(cls, spec: Spec) -> SpecResource:
        return SpecResource(**_spec_fields(spec))


class ExclusionResource(SpecResource, frozen=True, kw_only=True, omit_defaults=True):
    """What does not fire."""

    date: Day | UnsetType = UNSET
    start: Day | UnsetType = msgspec.field(default=UNSET, name="from")
    end: Day | UnsetType = msgspec.field(default=UNSET, name="to")
    calendar: str | UnsetType = UNSET

    @classmethod
    def of(cls, spec: Spec) -> ExclusionResource:
        days = {
            name: value
            for name in ("date", "start", "end", "calendar")
            if isinstance(spec, Exclusion) and (value := getattr(spec, name)) is not None
        }
        return ExclusionResource(**_spec_fields(spec), **days)


class ScheduleResource(SpecResource, frozen=True, kw_only=True):
    """When a job fires."""

    specs: list[SpecResource] | UnsetType = UNSET
    timezone: str
    exclude: list[ExclusionResource] = []  # noqa: RUF012 (msgspec copies it)
    start_at: Instant | None = None
    end_at: Instant | None = None
    max_runs: int | None = None
    jitter: timedelta
    gap: Gap
    fold: Fold

    @classmethod
    def of(cls, spec: Spec) -> ScheduleResource:
        if not isinstance(spec, Schedule):
            raise TypeError(spec)
        return ScheduleResource(
            **_spec_fields(spec),
            specs=[SpecResource.of(one) for one in spec.specs] if spec.specs else UNSET,
            timezone=spec.timezone,
            exclude=[ExclusionResource.of(one) for one in spec.exclude],
            start_at=instant_or_none(spec.start_at),
            end_at=instant_or_none(spec.end_at),
            max_runs=spec.max_runs,
            jitter=spec.jitter,
            gap=spec.gap,
            fold=spec.fold,
        )


def _spec_fields(spec: Spec) -> dict[str, Any]:
    kind = kind_of(spec)
    shown = {} if kind is None else kind.shown()
    return {
        name: instant(value) if isinstance(value, datetime) else value
        for name, value in shown.items()
    }
