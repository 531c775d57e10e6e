"""When a schedule will fire, before anything is stored."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal
from zoneinfo import ZoneInfo

from msgspec import Struct

from domain.schedules.clocks.wall_clock import note_of
from domain.schedules.clocks.zones import zone_of
from domain.schedules.fire_times import PATIENCE, TICK, fire_times, next_fire_time
from domain.schedules.kinds.by_clock import wall_patterns
from domain.schedules.kinds.work import Budget
from domain.schedules.rrule.end import next_of, unbounded
from domain.schedules.schedule import Schedule

MAX_PREVIEW = 1_000
PREVIEW_STEPS = 200_000
"""What a preview may cost: about a quarter of a second."""
_WORK_OF_NOTE = 4
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


class Preview(Struct, frozen=True, kw_only=True):
    """The next fire times.

    Attributes:
        continues_at: Where the look stopped, if it would have cost too much: a preview from there
            on goes on.
    """

    times: list[FireTime]
    continues_at: datetime | None


def preview(
    schedule: Schedule, *, after: datetime, count: int, until: datetime | None = None
) -> Preview:
    """The next fire times later than `after`, at most 1,000 and no more than the job may run.

    They end early where too much is excluded to be looked at, or all costs too much.

    Args:
        schedule: With its calendars filled in (`with_calendars`).
        until: The last instant that counts.
    """
    budget = Budget(schedule.work, PREVIEW_STEPS)
    limit = min(count, MAX_PREVIEW, schedule.max_runs or MAX_PREVIEW)
    first = next_fire_time(schedule, after=after) if limit > 0 else None
    if first is None:
        return Preview(times=[], continues_at=None)
    times = fire_times(
        schedule,
        start=first,
        until=until or _LAST,
        limit=limit,
        patience=_PATIENCE_IN_ALL,
        budget=budget,
    )
    shown: list[FireTime] = []
    noting = Budget(schedule.work, PREVIEW_STEPS)
    for instant in times:
        if shown and noting.is_spent:
            break
        shown.append(_fire_time(schedule, instant))
    if len(shown) == len(times) and not (budget.is_spent and len(shown) < limit):
        return Preview(times=shown, continues_at=None)
    return Preview(times=shown, continues_at=shown[-1].at if shown else first)


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
    for pattern, zone in wall_patterns(schedule.kinds, schedule):
        schedule.work.steps += _WORK_OF_NOTE
        note = note_of(unbounded(pattern, zone), instant, zone)
        if note is None:
            continue
        # Another spec may have named the instant.
        named = next_of(pattern, zone, after=instant - TICK, gap=schedule.gap, fold=schedule.fold)
        if named == instant:
            return note
    return None
