"""How durations, instants, days and lists are worded."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_LONGEST_QUOTE = 120


def duration_in_words(duration: timedelta) -> str:
    """Such as "1 hour and 30 minutes"."""
    minutes, seconds = divmod(duration.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{duration.microseconds:06}".rstrip("0").rstrip(".")
    amounts = {
        "day": str(duration.days),
        "hour": str(hours),
        "minute": str(minutes),
        "second": f"{seconds}{fraction}",
    }
    named = [counted(amount, unit) for unit, amount in amounts.items() if amount != "0"]
    return listed(named) if named else "0 seconds"


def interval_in_words(interval: timedelta) -> str:
    """Such as "every hour" or "every 15 minutes"."""
    words = duration_in_words(interval)
    return "every " + (words if " and " in words else words.removeprefix("1 "))


def counted(amount: int | str, noun: str) -> str:
    """Such as "1 day" or "2 days"."""
    return f"{amount} {noun}" if str(amount) == "1" else f"{amount} {noun}s"


def times_in_words(number: int) -> str:
    """Such as "once" or "1,000 times"."""
    return "once" if number == 1 else f"{number:,} times"


def listed(items: Sequence[str], word: str = "and") -> str:
    """Such as "a, b and c"."""
    return ", ".join(items[:-1]) + f" {word} " + items[-1] if len(items) > 1 else "".join(items)


def instant_in_words(instant: datetime) -> str:
    """Such as "2026-11-24 03:00 UTC"."""
    local = instant.astimezone(UTC)
    return f"{local.date()} {time_in_words(local)} UTC"


def time_in_words(wall: datetime) -> str:
    """Such as "03:00", with the seconds only if there are any."""
    if wall.microsecond:
        return f"{wall:%H:%M:%S.%f}"
    return f"{wall:%H:%M:%S}" if wall.second else f"{wall:%H:%M}"


def day_in_words(day: date) -> str:
    """Such as "24 November 2026"."""
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def quoted(text: str) -> str:
    """What somebody wrote, on one line and not longer than a sentence bears."""
    line = " ".join(text.split())
    return f"'{line if len(line) <= _LONGEST_QUOTE else line[:_LONGEST_QUOTE] + '…'}'"


def sentence(text: str) -> str:
    """The text with a capital and a full stop."""
    return f"{text[:1].upper()}{text[1:]}."
