"""A schedule as a preview shows it."""

from __future__ import annotations

from datetime import datetime, timedelta

from domain.description import describe
from domain.preview import preview
from domain.schedule_warnings import schedule_warnings

from app.schedule_resources import FireTimeResource, PreviewResource
from domain.schedule import Schedule


def preview_resource(
    schedule: Schedule,
    *,
    after: datetime,
    until: datetime | None,
    count: int,
    now: datetime,
    usual_duration: timedelta | None = None,
) -> PreviewResource:
    """Its next fire times, a sentence, and what its owner should know.

    Args:
        usual_duration: How long the job's runs take.
    """
    fire_times = preview(schedule, after=after, count=count, until=until)
    return PreviewResource(
        items=[FireTimeResource.of(one) for one in fire_times],
        description=describe(schedule),
        warnings=schedule_warnings(schedule, now=now, usual_duration=usual_duration),
    )
