"""What a recurrence rule says, in words."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from itertools import product

from domain.errors import Invalid
from domain.schedules.clocks.zones import zone_of
from domain.schedules.rrule.parts import Frequency, Parts
from domain.schedules.rrule.text import read_parts
from domain.schedules.words import (
    MONTHS,
    WEEKDAYS,
    day_in_words,
    listed,
    quoted,
    time_in_words,
    times_in_words,
)

_UNITS = ("year", "month", "week", "day", "hour", "minute", "second")
_ORDINALS = {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth", -1: "last"}
_MANY_TIMES = 6


@lru_cache(maxsize=4_096)
def rrule_in_words(text: str, timezone: str) -> str:
    """Such as "every 2 weeks on Monday at 09:00, in Europe/London"; it quotes rarer rules.

    Args:
        timezone: Of the schedule, for a rule that names none.
    """
    try:
        parts = read_parts(text)
    except Invalid:
        return f"by the recurrence rule {quoted(text)}"
    if not _is_common(parts):
        return f"by the recurrence rule {quoted(text)}, in {parts.timezone or timezone}"
    zone = parts.timezone or timezone
    return f"{_recurrence(parts)}, in {zone}, {_bounds(parts, zone)}"


def _is_common(parts: Parts) -> bool:
    if parts.week_numbers or parts.year_days or parts.positions:
        return False
    if sum(map(bool, (parts.weekdays, parts.ordinals, parts.month_days))) > 1:
        return False
    if any(number not in _ORDINALS for number, _ in parts.ordinals):
        return False
    if parts.frequency > Frequency.DAILY:
        return not (parts.hours or parts.minutes or parts.seconds)
    return len(_times(parts)) <= _MANY_TIMES


def _recurrence(parts: Parts) -> str:
    unit = _UNITS[parts.frequency]
    every = f"every {unit}" if parts.interval == 1 else f"every {parts.interval} {unit}s"
    times = f"at {listed(_times(parts))}" if parts.frequency <= Frequency.DAILY else ""
    return " ".join(filter(None, (every, _days(parts), times)))


def _times(parts: Parts) -> list[str]:
    start = parts.dtstart
    clock = product(
        parts.hours or (start.hour,),
        parts.minutes or (start.minute,),
        parts.seconds or (start.second,),
    )
    return [
        time_in_words(start.replace(hour=hour, minute=minute, second=second))
        for hour, minute, second in clock
    ]


def _days(parts: Parts) -> str:
    """The days of a period, with what the rule leaves out taken from DTSTART."""
    months = [MONTHS[month - 1] for month in parts.months]
    within = f"in {listed(months)}" if months else ""
    if parts.ordinals:
        named = [f"{_ORDINALS[number]} {WEEKDAYS[weekday]}" for number, weekday in parts.ordinals]
        period = "year" if parts.frequency is Frequency.YEARLY else "month"
        return f"on the {listed(named)} {within or f'of the {period}'}"
    if parts.weekdays:
        named = [WEEKDAYS[weekday] for weekday in parts.weekdays]
        each = "every " if parts.frequency < Frequency.WEEKLY else ""
        return " ".join(filter(None, (f"{_only(parts)}on {each}{listed(named)}", within)))
    return _dates(parts, within)


def _only(parts: Parts) -> str:
    """A word for a rule whose days narrow down what recurs daily or more often."""
    return "only " if parts.frequency >= Frequency.DAILY else ""


def _dates(parts: Parts, within: str) -> str:
    start = parts.dtstart
    if parts.month_days:
        # The first before the last.
        numbers = sorted(parts.month_days, key=lambda number: (number < 0, number))
        dates = f"on {listed([_date(number) for number in numbers])} of the month"
        return _only(parts) + " ".join(filter(None, (dates, within)))
    if parts.frequency is Frequency.YEARLY and not within:
        return f"on {start.day} {MONTHS[start.month - 1]}"
    if parts.frequency <= Frequency.MONTHLY:
        return " ".join(filter(None, (f"on day {start.day} of the month", within)))
    if parts.frequency is Frequency.WEEKLY:
        return " ".join(filter(None, (f"on {WEEKDAYS[start.weekday()]}", within)))
    return _only(parts) + within if within else ""


def _date(number: int) -> str:
    if number > 0:
        return f"day {number}"
    return "the last day" if number == -1 else f"day {-number} from the end"


def _bounds(parts: Parts, zone: str) -> str:
    start = f"from {day_in_words(parts.dtstart)}"
    if parts.frequency > Frequency.DAILY:
        start += f" at {time_in_words(parts.dtstart)}"
    if parts.count is not None:
        return f"{start}, {times_in_words(parts.count)}"
    if parts.until is not None:
        until = _local(parts.until_instant, zone) or parts.until
        return f"{start}, until {day_in_words(until)} at {time_in_words(until)}"
    return start


def _local(instant: datetime | None, zone: str) -> datetime | None:
    try:
        return instant and instant.astimezone(zone_of(zone))
    except OverflowError:  # at the ends of the calendar
        return instant
