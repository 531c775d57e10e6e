"""Calendars and previews of schedules as clients are answered."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from domain.resources.instants import Instant, LocalTime, instant, instant_or_none
from domain.resources.schedule import ExclusionResource
from domain.schedules.calendar import Calendar
from domain.schedules.preview import FireTime, Preview


class FireTimeResource(Struct, frozen=True, kw_only=True):
    """A fire time; `note` says what clocks that change have to do with it."""

    at: Instant
    local: LocalTime
    note: Literal["gap", "fold"] | None

    @classmethod
    def of(cls, fire_time: FireTime) -> FireTimeResource:
        return cls(at=instant(fire_time.at), local=fire_time.local, note=fire_time.note)


class PreviewResource(Struct, frozen=True, kw_only=True):
    """When a schedule fires, in instants and in words.

    `continues_at` is where the look stopped, if all would have cost too much: send it as `after`.
    """

    items: list[FireTimeResource]
    description: str
    warnings: list[str]
    continues_at: Instant | None

    @classmethod
    def of(cls, preview: Preview, description: str, warnings: list[str]) -> PreviewResource:
        return cls(
            items=[FireTimeResource.of(one) for one in preview.times],
            description=description,
            warnings=warnings,
            continues_at=instant_or_none(preview.continues_at),
        )


class CalendarResource(Struct, frozen=True, kw_only=True):
    """A calendar."""

    name: str
    description: str
    exclude: list[ExclusionResource]
    version: int
    created_at: Instant
    updated_at: Instant

    @classmethod
    def of(cls, calendar: Calendar) -> CalendarResource:
        return cls(
            name=calendar.name,
            description=calendar.description,
            exclude=[ExclusionResource.of(one) for one in calendar.exclude],
            version=calendar.version,
            created_at=instant(calendar.created_at),
            updated_at=instant(calendar.updated_at),
        )
