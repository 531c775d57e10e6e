"""What about a schedule is allowed and yet unlikely to be meant."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from msgspec.structs import replace

from domain.schedules.clocks.changes import ClockChange, clock_changes
from domain.schedules.clocks.wall_clock import Fold, Gap
from domain.schedules.fire_times import TICK, fire_times, is_excluded, next_fire_time, nominal_times
from domain.schedules.kinds.by_clock import wall_patterns
from domain.schedules.rrule.end import last_instant, unbounded
from domain.schedules.schedule import Schedule
from domain.schedules.words import (
    day_in_words,
    duration_in_words,
    instant_in_words,
    interval_in_words,
    time_in_words,
)

_LOOKED_AT = 20
_CLOCK_CHANGE_DAYS = 400
_LAST = datetime.max.replace(tzinfo=UTC)
_IN_A_GAP = {Gap.SKIP: "does not run (`gap` is `skip`)"}
_IN_A_FOLD = {
    Fold.FIRST: "runs the first time only",
    Fold.SECOND: "runs the second time only",
    Fold.BOTH: "runs both times",
}


def schedule_warnings(
    schedule: Schedule, *, now: datetime, usual_duration: timedelta | None = None
) -> list[str]:
    """A sentence for each thing that its owner should know.

    Args:
        schedule: A valid one, with its calendars filled in (`with_calendars`).
        usual_duration: How long a run of the job takes.
    """
    first = next_fire_time(schedule, after=now - TICK)
    if first is None:
        return [f"It never fires again after {instant_in_words(now)}."]
    if is_excluded(schedule, first):
        until = instant_in_words(first)
        return [f"All up to {until} is excluded, and no further is searched before then."]
    return [
        *_of_kinds(schedule),
        *_of_duration(schedule, first, usual_duration),
        *_of_clock_changes(schedule, now),
    ]


def _of_kinds(schedule: Schedule) -> Iterator[str]:
    for kind in dict.fromkeys(schedule.kinds):
        yield from kind.warnings(schedule)


def _of_duration(
    schedule: Schedule, first: datetime, usual_duration: timedelta | None
) -> Iterator[str]:
    if usual_duration is None:
        return
    closest = _closest(schedule, first)
    if closest is not None and closest < usual_duration:
        yield (
            f"It fires as often as {interval_in_words(closest)}, but a run usually takes "
            f"{duration_in_words(usual_duration)}, so runs will overlap; choose in `overlap` "
            "whether they are left out, wait, end the earlier one or run side by side."
        )


def _closest(schedule: Schedule, first: datetime) -> timedelta | None:
    """The shortest time between two of the next fire times."""
    nominal = nominal_times(schedule, after=first, before=_LAST, limit=_LOOKED_AT - 1)
    if not nominal:
        return None
    # With this end no search runs on through thousands of excluded fire times.
    bounded = replace(schedule, end_at=nominal[-1])
    times = fire_times(bounded, start=first, until=nominal[-1], limit=_LOOKED_AT)
    return min((later - earlier for earlier, later in pairwise(times)), default=None)


def _of_clock_changes(schedule: Schedule, now: datetime) -> Iterator[str]:
    """The next gap and the next fold that a fixed time of day falls in."""
    met = {change.at: (zone, change) for zone, change in _changes_met(schedule, now)}
    for is_gap in (True, False):
        for _, (zone, change) in sorted(met.items()):
            if change.is_gap is is_gap:
                yield (
                    _gap(zone, change, schedule.gap)
                    if is_gap
                    else _fold(zone, change, schedule.fold)
                )
                break


def _changes_met(schedule: Schedule, now: datetime) -> Iterator[tuple[str, ClockChange]]:
    for pattern, zone in wall_patterns(schedule.kinds, schedule):
        if pattern.elapsed:
            continue
        for change in clock_changes(zone, now.date(), _CLOCK_CHANGE_DAYS):
            first, end = sorted((change.old, change.new))
            named = unbounded(pattern, zone).next_wall(first, inclusive=True)
            if named is None or named >= end or not _is_in_force(schedule, change.at, now):
                continue
            if change.at <= last_instant(pattern, zone, schedule.gap, schedule.fold):
                yield zone.key, change


def _is_in_force(schedule: Schedule, instant: datetime, now: datetime) -> bool:
    return max(now, schedule.start_at or now) <= instant <= (schedule.end_at or _LAST)


def _gap(zone: str, change: ClockChange, gap: Gap) -> str:
    until = time_in_words(change.new)
    fate = _IN_A_GAP.get(gap, f"runs at {until}")
    return (
        f"On {day_in_words(change.old)} clocks in {zone} skip {time_in_words(change.old)} to "
        f"{until}; what is due in between {fate}."
    )


def _fold(zone: str, change: ClockChange, fold: Fold) -> str:
    return (
        f"On {day_in_words(change.new)} clocks in {zone} show {time_in_words(change.new)} to "
        f"{time_in_words(change.old)} twice; what is due in between {_IN_A_FOLD[fold]} "
        f"(`fold` is `{fold}`)."
    )
