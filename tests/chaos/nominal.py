"""Which instants a schedule names, reckoned from the text of the body alone, second by second.

Slow and plain on purpose: it shares nothing with `domain/schedules`. It knows what the workload
sends: `at`, `after`, `every` with a phase, and cron of six fields whose last three are stars.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

SECOND = timedelta(seconds=1)
TICK = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Schedule = Mapping[str, Any]


def instants(
    schedule: Schedule, accepted_at: datetime, after: datetime, to: datetime
) -> list[datetime]:
    """What a schedule names later than `after`, up to `to`, excluded or not, in order."""
    first = max(after, _limit(schedule, "start_at", after + TICK) - TICK)
    last = min(to, _limit(schedule, "end_at", to))
    return [one for one in _named(schedule, accepted_at, first, last) if first < one <= last]


def is_excluded(schedule: Schedule, instant: datetime) -> bool:
    """Whether what it names at an instant does not fire."""
    return any(_names(rule, instant) for rule in schedule.get("exclude", ()))


def parsed(text: str) -> datetime:
    """An instant as the wire has it."""
    return datetime.fromisoformat(text)


def _limit(schedule: Schedule, name: str, otherwise: datetime) -> datetime:
    return parsed(schedule[name]) if schedule.get(name) else otherwise


def _named(
    schedule: Schedule, accepted_at: datetime, first: datetime, last: datetime
) -> Iterator[datetime]:
    if "at" in schedule:
        yield parsed(schedule["at"])
    elif "after" in schedule:
        yield accepted_at + timedelta(seconds=schedule["after"])
    else:
        instant = first.replace(microsecond=0)
        while instant <= last:
            if _names(schedule, instant):
                yield instant
            instant += SECOND


def _names(rule: Schedule, instant: datetime) -> bool:
    """Whether a rule that repeats names an instant; it names whole seconds only."""
    if instant.microsecond:
        return False
    if "every" in rule:
        seconds = (instant - _EPOCH) // SECOND - rule.get("phase", 0)
        return seconds % rule["every"] == 0
    second, minute, hour, *rest = (_field(text) for text in rule["cron"].split())
    assert len(rest) == 3, rule
    return second(instant.second) and minute(instant.minute) and hour(instant.hour)


def _field(text: str) -> Callable[[int], bool]:
    if text == "*":
        return lambda _: True
    if text.startswith("*/"):
        return lambda value: value % int(text[2:]) == 0
    allowed: set[int] = set()
    for part in text.split(","):
        low, _, high = part.partition("-")
        allowed.update(range(int(low), int(high or low) + 1))
    return lambda value: value in allowed
