"""When a schedule will fire, before anything is stored."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal
from zoneinfo import ZoneInfo

from msgspec import Struct

from domain.schedules.schedule import (
    PATIENCE,
    TICK,
    Schedule,
    fire_times,
    next_fire_time,
)
from domain.schedules.wall_clock import next_instant, note_of
from domain.schedules.wall_patterns import wall_patterns
from domain.schedules.zones import zone_of

MAX_PREVIEW = 1_000
_PATIENCE_IN_ALL = 4 * PATIENCE
_LAST = datetime.max.replace(tzinfo=UTC)


class FireTime(Struct, frozen=True, kw_only=True):
    """A nominal fire time; jitter is not included.

    Attributes:
        at: In UTC.
        local: The same instant in the schedule's time zone.
        note: Whether clocks show its wall time twice, or it stands in for one that they skip.
    """

    at: datetime
    local: datetime
    note: Literal["gap", "fold"] | None


def preview(
    schedule: Schedule, *, after: datetime, count: int, until: datetime | None = None
) -> list[FireTime]:
    """The next fire times later than `after`, at most 1,000 and no more than the job may run.

    They end early where too much is excluded to be looked at.

    Args:
        schedule: With its calendars filled in (`with_calendars`).
        until: The last instant that counts.
    """
    limit = min(count, MAX_PREVIEW, schedule.max_runs or MAX_PREVIEW)
    first = next_fire_time(schedule, after=after) if limit > 0 else None
    if first is None:
        return []
    times = fire_times(
        schedule, start=first, until=until or _LAST, limit=limit, patience=_PATIENCE_IN_ALL
    )
    return [_fire_time(schedule, instant) for instant in times]


def _fire_time(schedule: Schedule, instant: datetime) -> FireTime:
    return FireTime(
        at=instant,
        local=_local(instant, zone_of(schedule.timezone)),
        note=_note(schedule, instant),
    )


def _local(instant: datetime, zone: ZoneInfo) -> datetime:
    try:
        return instant.astimezone(zone)
    except OverflowError:  # at the ends of the calendar
        return instant


def _note(schedule: Schedule, instant: datetime) -> Literal["gap", "fold"] | None:
    for pattern, zone in wall_patterns(schedule):
        note = note_of(pattern, instant, zone)
        if note is None:
            continue
        # Another spec may have named the instant.
        named = next_instant(
            pattern, zone, after=instant - TICK, gap=schedule.gap, fold=schedule.fold
        )
        if named == instant:
            return note
    return None
