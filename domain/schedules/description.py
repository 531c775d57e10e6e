"""A schedule in plain English."""

from __future__ import annotations

from datetime import date

from domain.schedules.clocks.wall_clock import Fold, Gap
from domain.schedules.kinds import kind_of
from domain.schedules.kinds.kind import Kind
from domain.schedules.schedule import Exclusion, Schedule
from domain.schedules.words import (
    counted,
    day_in_words,
    duration_in_words,
    instant_in_words,
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
    fires = "; and ".join(kind.in_words(schedule) for kind in schedule.kinds) or "never"
    exceptions = _exceptions(schedule)
    first = sentence(f"{fires}, except {listed(exceptions)}" if exceptions else fires)
    bounds = _bounds(schedule)
    return f"{first} {sentence(bounds)}" if bounds else first


def _exceptions(schedule: Schedule) -> list[str]:
    return [
        *_excluded_days(schedule.exclude),
        *_excluded_instants(schedule),
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


def _excluded_instants(schedule: Schedule) -> list[str]:
    kinds = _excluded_kinds(schedule)
    instants = [one for kind in kinds if (one := kind.only_instant(schedule)) is not None]
    if len(instants) == 1:
        return [f"at {instant_in_words(instants[0])}"]
    return [f"at {len(instants)} instants"] if instants else []


def _excluded_rules(schedule: Schedule) -> list[str]:
    rules = [kind for kind in _excluded_kinds(schedule) if kind.only_instant(schedule) is None]
    named = [rule.excluded_in_words(schedule) for rule in rules[:_NAMED_RULES]]
    more = len(rules) - len(named)
    return [*named, f"by {counted(more, 'further rule')}"] if more else named


def _excluded_kinds(schedule: Schedule) -> list[Kind]:
    return [kind for kind in map(kind_of, schedule.exclude) if kind is not None]


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
    if any(kind.by_clock for kind in schedule.kinds):
        manners += [
            _CLOCK_CHANGES[one] for one in (schedule.gap, schedule.fold) if one in _CLOCK_CHANGES
        ]
    return manners
