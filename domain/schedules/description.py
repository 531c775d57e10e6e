"""A schedule in plain English."""

from __future__ import annotations

from datetime import date

from domain.schedules.cron_words import cron_in_words, fields_of
from domain.schedules.rrule_words import rrule_in_words
from domain.schedules.schedule import Exclusion, Schedule, Spec
from domain.schedules.wall_clock import Fold, Gap
from domain.schedules.words import (
    counted,
    day_in_words,
    duration_in_words,
    instant_in_words,
    interval_in_words,
    listed,
    quoted,
    sentence,
    times_in_words,
)

_NAMED_DAYS = 3
_NAMED_RULES = 3
_CLOCK_CHANGES = {
    Gap.SKIP: "a time of day that clocks skip does not fire",
    Fold.SECOND: "a time of day that clocks show twice fires the second time",
    Fold.BOTH: "a time of day that clocks show twice fires both times",
}


def describe(schedule: Schedule) -> str:
    """One sentence or two: when it fires and when not, and what bounds it."""
    fires = "; and ".join(_spec(spec, schedule) for spec in schedule.parts)
    exceptions = _exceptions(schedule)
    first = sentence(f"{fires}, except {listed(exceptions)}" if exceptions else fires)
    bounds = _bounds(schedule)
    return f"{first} {sentence(bounds)}" if bounds else first


def _spec(spec: Spec, schedule: Schedule) -> str:
    if spec.at is not None:
        return f"once, at {instant_in_words(spec.at)}"
    if spec.after is not None:
        delay = duration_in_words(spec.after)
        return f"once, {delay} after it is accepted" if spec.after else "once, when it is accepted"
    if spec.cron is not None:
        return cron_in_words(spec.cron, schedule.seed) + _zone(spec.cron, schedule.timezone)
    if spec.rrule is not None:
        return rrule_in_words(spec.rrule, schedule.timezone)
    if spec.every is not None:
        offset = f", offset by {duration_in_words(spec.phase)}" if spec.phase else ""
        return interval_in_words(spec.every) + offset
    return "never"


def _zone(cron: str, timezone: str) -> str:
    """Where the clock hangs, unless each hour of UTC is alike."""
    in_zone = f", in {timezone}"
    try:
        fields = fields_of(cron)
    except TypeError:  # not an expression at all
        return in_zone
    open_fields = {fields.hour, fields.date, fields.month, fields.weekday, fields.year}
    return "" if timezone == "UTC" and open_fields <= {"*", "?"} else in_zone


def _exceptions(schedule: Schedule) -> list[str]:
    return [
        *_excluded_days(schedule.exclude),
        *_excluded_instants(schedule.exclude),
        *_excluded_rules(schedule),
        *(f"in calendar {quoted(name)}" for name in schedule.calendars),
    ]


def _excluded_days(exclude: tuple[Exclusion, ...]) -> list[str]:
    spans = sorted(filter(None, map(_span, exclude)))
    if len(spans) > _NAMED_DAYS:
        return [f"on {counted(_count_days(spans), 'day')}"]
    return [
        f"on {day_in_words(first)}"
        if first == last
        else f"from {day_in_words(first)} to {day_in_words(last)}"
        for first, last in spans
    ]


def _span(exclusion: Exclusion) -> tuple[date, date] | None:
    if exclusion.date is not None:
        return exclusion.date, exclusion.date
    if exclusion.start is not None and exclusion.end is not None:
        return exclusion.start, exclusion.end
    return None


def _count_days(spans: list[tuple[date, date]]) -> int:
    """How many days the sorted spans cover."""
    total, covered = 0, 0
    for first, last in spans:
        start = max(first.toordinal(), covered + 1)
        total += max(last.toordinal() + 1 - start, 0)
        covered = max(covered, last.toordinal())
    return total


def _excluded_instants(exclude: tuple[Exclusion, ...]) -> list[str]:
    instants = [one.at for one in exclude if one.at is not None]
    if len(instants) == 1:
        return [f"at {instant_in_words(instants[0])}"]
    return [f"at {len(instants)} instants"] if instants else []


def _excluded_rules(schedule: Schedule) -> list[str]:
    rules = [one for one in schedule.exclude if one.every or one.cron or one.rrule]
    named = [_excluded_rule(rule, schedule) for rule in rules[:_NAMED_RULES]]
    more = len(rules) - len(named)
    return [*named, f"by {counted(more, 'further rule')}"] if more else named


def _excluded_rule(rule: Exclusion, schedule: Schedule) -> str:
    if rule.cron is None:
        return _spec(rule, schedule)
    words = cron_in_words(rule.cron, schedule.seed)
    # A rule that excludes every minute of a day excludes the day.
    return words.removeprefix("every minute, ").removeprefix("only ")


def _bounds(schedule: Schedule) -> str:
    limits = []
    if schedule.start_at is not None:
        limits.append(f"not before {instant_in_words(schedule.start_at)}")
    if schedule.end_at is not None:
        limits.append(f"not after {instant_in_words(schedule.end_at)}")
    if schedule.max_runs is not None:
        limits.append(f"at most {times_in_words(schedule.max_runs)}")
    return "; ".join(filter(None, (", ".join(limits), *_manners(schedule))))


def _manners(schedule: Schedule) -> list[str]:
    manners = []
    if schedule.jitter:
        manners.append(f"each run starts up to {duration_in_words(schedule.jitter)} later")
    if any(spec.cron or spec.rrule for spec in schedule.parts):
        manners += [
            _CLOCK_CHANGES[one] for one in (schedule.gap, schedule.fold) if one in _CLOCK_CHANGES
        ]
    return manners
