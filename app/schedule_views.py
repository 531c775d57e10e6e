"""A schedule as a preview shows it."""

from __future__ import annotations

from datetime import datetime, timedelta

from app.schedule_resources import PreviewResource
from domain.schedules.description import describe
from domain.schedules.pitfalls import schedule_warnings
from domain.schedules.preview import preview
from domain.schedules.schedule import Schedule


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
