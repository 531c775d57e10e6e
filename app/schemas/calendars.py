"""Calendars."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from app.schemas.examples import Example, Examples
from app.schemas.pages import Page
from app.schemas.schedules import Exclusions, Timezone, exclusions
from domain.schedules.calendar import Calendar
from domain.schedules.clocks.local_times import LocalTimes
from domain.schedules.clocks.wall_clock import Fold, Gap
from domain.schedules.clocks.zones import zone
from domain.schedules.schedule import (
    Exclusion,
)
from storage.documents.instants import Instant, instant
from storage.documents.schedule import ExclusionResource


class CalendarBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What schedules that name the calendar do not fire on; days are local to each schedule."""

    EXAMPLES: ClassVar[Examples] = (
        Example(
            "holidays",
            "Two days, and some between the years",
            {
                "description": "When the office is closed",
                "exclude": [
                    {"date": "2027-05-01"},
                    {"date": "2027-10-03"},
                    {"from": "2027-12-24", "to": "2028-01-01"},
                ],
            },
        ),
    )

    exclude: Exclusions
    description: Annotated[str, Meta(max_length=2_000, pattern=r"^[^\x00]*$")] = ""
    timezone: Timezone = "UTC"

    def exclusions(self) -> tuple[Exclusion, ...]:
        """What it excludes; `timezone` is for local times in `at`.

        Those that clocks move are excluded wherever a schedule may fire them.

        Raises:
            Invalid: With a pointer into this body.
        """
        times = LocalTimes(zone(self.timezone), Gap.RUN_AFTER, Fold.BOTH)
        return exclusions(self.exclude, times)


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


class CalendarPage(Page[CalendarResource], frozen=True, kw_only=True):
    """A page of calendars by name; `next_cursor` is null on the last one."""
