"""What a schedule would do: its next fire times, in words, with warnings."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, ClassVar, Literal

from msgspec import Meta, Struct

from app.schemas.examples import NIGHTLY, Example, Examples
from app.schemas.schedules import ScheduleBody
from domain.durations import AwareInstant
from domain.schedules.description import describe
from domain.schedules.preview import FireTime, Preview, preview
from domain.schedules.schedule import Schedule
from domain.schedules.warnings import schedule_warnings
from storage.documents.instants import Instant, LocalTime, instant, instant_or_none


class PreviewBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A schedule to look at; nothing is stored."""

    EXAMPLES: ClassVar[Examples] = (
        Example("nightly", "The next five nights", {"schedule": NIGHTLY, "count": 5}),
    )

    schedule: ScheduleBody
    after: AwareInstant | None = None
    until: AwareInstant | None = None
    count: Annotated[int, Meta(ge=1, le=1_000)] = 10


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


def preview_resource(
    schedule: Schedule,
    *,
    sent: Schedule,
    after: datetime,
    until: datetime | None,
    count: int,
    now: datetime,
    usual_duration: timedelta | None = None,
) -> PreviewResource:
    """Its next fire times, a sentence, and what its owner should know.

    Args:
        schedule: With its calendars filled in.
        sent: Without, for the words.
        usual_duration: How long the job's runs take.
    """
    return PreviewResource.of(
        preview(schedule, after=after, count=count, until=until),
        describe(sent),
        schedule_warnings(schedule, now=now, usual_duration=usual_duration),
    )
