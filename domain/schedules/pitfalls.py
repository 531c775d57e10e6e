"""What about a schedule is allowed and yet unlikely to be meant."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from msgspec.structs import replace

from domain.schedules.clock_changes import ClockChange, clock_changes
from domain.schedules.cron import parse_cron
from domain.schedules.cron_fields import HOUR, MINUTE, MONTH, SECOND, WEEKDAY, Field, numbers
from domain.schedules.cron_words import Fields, fields_of
from domain.schedules.rrule_end import last_instant, unbounded
from domain.schedules.schedule import (
    TICK,
    Schedule,
    fire_times,
    is_excluded,
    next_fire_time,
    nominal_times,
)
from domain.schedules.wall_clock import Fold, Gap
from domain.schedules.wall_patterns import wall_patterns
from domain.schedules.words import (
    counted,
    day_in_words,
    duration_in_words,
    instant_in_words,
    interval_in_words,
    quoted,
    time_in_words,
)

_DAY = timedelta(days=1)
_LOOKED_AT = 20
_CLOCK_CHANGE_DAYS = 400
_LAST = datetime.max.replace(tzinfo=UTC)
_ANEW = ((SECOND, "minute"), (MINUTE, "hour"), (HOUR, "day"), (MONTH, "year"), (WEEKDAY, "week"))
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
        *_of_expressions(schedule),
        *_of_intervals(schedule),
        *_of_duration(schedule, first, usual_duration),
        *_of_clock_changes(schedule, now),
    ]


def _of_expressions(schedule: Schedule) -> Iterator[str]:
    for cron in dict.fromkeys(spec.cron for spec in schedule.parts if spec.cron is not None):
        fields = fields_of(cron)
        if len(cron.split()) == 6:
            yield (
                f"{quoted(cron)} has six fields, so the first is seconds and the second minutes; "
                "leave the first out for whole minutes."
            )
        if parse_cron(cron, seed=schedule.seed).either_day:
            yield (
                f"{quoted(cron)} restricts both day fields, so a day counts that matches either "
                "one; use `#`, as in MON#1 for the first Monday, if both are meant to hold."
            )
        if {fields.second, fields.minute} <= {"0", "00"} and not schedule.jitter:
            yield (
                f"{quoted(cron)} fires at the top of the hour, as many of the world's jobs do; "
                "choose another minute, write H for it, or add a jitter."
            )
        yield from _of_steps(cron, fields, schedule.seed)


def _of_steps(cron: str, fields: Fields, seed: str) -> Iterator[str]:
    texts = (fields.second, fields.minute, fields.hour, fields.month, fields.weekday)
    for (field, period), text in zip(_ANEW, texts, strict=True):
        last = _last_gap(text, field, seed)
        if last is not None and _goes_on(field, fields, seed):
            unit = "day" if field is WEEKDAY else field.label
            yield (
                f"{text} in {quoted(cron)} starts anew each {period}, and its last step is not as "
                f"long as the others: {counted(last, unit)}."
            )
    if fields.date.startswith("*/") and fields.date != "*/1":
        yield (
            f"{fields.date} in {quoted(cron)} starts anew on day 1 of each month, "
            "so its last step in a month is not as long as the others."
        )


def _last_gap(text: str, field: Field, seed: str) -> int | None:
    """The units from the last number of a stepped field to the next first one, if not a step."""
    base, slash, step = text.partition("/")
    if not slash or not step.isdigit() or base not in {"*", "0", "H" if seed else "*"}:
        return None
    named = numbers(text, field, seed)
    last = field.high + 1 - field.low + named[0] - named[-1]
    return None if last == int(step) else last


def _goes_on(field: Field, fields: Fields, seed: str) -> bool:
    """Whether the period that follows one of the field's own may fire too."""
    if field is SECOND:
        following = numbers(fields.minute, MINUTE, seed)
    elif field is MINUTE:
        following = numbers(fields.hour, HOUR, seed)
    else:
        return True
    return any(second - first == 1 for first, second in pairwise(following))


def _of_intervals(schedule: Schedule) -> Iterator[str]:
    for every in dict.fromkeys(spec.every for spec in schedule.parts if spec.every is not None):
        if _DAY % every and every % _DAY:
            yield (
                f"{duration_in_words(every).capitalize()} does not divide a day evenly, so what "
                f"fires {interval_in_words(every)} drifts through the day; "
                "a cron expression keeps to its hours."
            )


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
    for pattern, zone in wall_patterns(schedule):
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
