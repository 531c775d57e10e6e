"""Durations and instants as clients send them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
from msgspec import Meta

from domain.errors import Invalid

END_OF_TIME = datetime(9999, 1, 1, tzinfo=UTC)
"""From here on no instant is taken: local times, and what is reckoned from it, would pass it."""

TOO_LATE = "The instant must come before 9999-01-01T00:00Z."

Duration = Annotated[
    Annotated[str, Meta(extra_json_schema={"format": "duration"})]
    | Annotated[float, Meta(extra_json_schema={"minimum": 0})],
    Meta(
        description="ISO 8601, such as PT30S or P1W, or a number of seconds",
        examples=["PT30S", "P1W", 30],
    ),
]
Instant = Annotated[
    datetime,
    Meta(
        description="RFC 3339; a local time is read in `timezone`",
        examples=["2026-11-24T03:00:00Z", "2026-11-24T03:00:00"],
    ),
]
AwareInstant = Annotated[
    datetime, Meta(tz=True, description="RFC 3339", examples=["2026-11-24T03:00:00Z"])
]


_WEEKS = re.compile(r"([+-]?P)([0-9]{1,9})W(?:([0-9]{1,9})D)?(T.+)?", re.IGNORECASE)
_OUT_OF_RANGE = re.compile(r"[+-]?P([0-9]+[WD])*(T([0-9.]+[HMS])+)?", re.IGNORECASE)
_COLLOQUIAL = re.compile(
    r"([0-9]{1,9}) ?(s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?)",
    re.IGNORECASE,
)
_ISO_8601 = {"s": "PT{}S", "m": "PT{}M", "h": "PT{}H", "d": "P{}D", "w": "P{}W"}
_OF_CALENDARS = re.compile(r"[+-]?P[0-9]+[YM].*", re.IGNORECASE)
_LONGEST_QUOTE = 40


def instant_of(value: datetime, pointer: str) -> datetime:
    """A sent instant in UTC; one without an offset is in UTC.

    Raises:
        Invalid: When it does not exist in UTC, or lies in the year 9999 or later.
    """
    try:
        in_utc = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except (OverflowError, ValueError):
        raise Invalid("The instant is out of range.", pointer) from None
    if in_utc >= END_OF_TIME:
        raise Invalid(TOO_LATE, pointer)
    return in_utc


def duration_of(value: str | float, pointer: str) -> timedelta:
    """A sent duration.

    Raises:
        Invalid: When it is no duration, or longer than durations can be.
    """
    try:
        return _read(value) if isinstance(value, str) else timedelta(seconds=value)
    except (OverflowError, ValueError):
        if isinstance(value, str) and not _OUT_OF_RANGE.fullmatch(value):
            raise Invalid(_refusal(value), pointer) from None
        raise Invalid("The duration is out of range.", pointer) from None


def written(duration: timedelta) -> str:
    """A duration as clients write it and are answered."""
    text: str = msgspec.to_builtins(duration)
    return text


def _read(text: str) -> timedelta:
    if weeks := _WEEKS.fullmatch(text):  # all that msgspec does not read of what is one length
        sign, number, days, rest = weeks.groups("")
        text = f"{sign}{7 * int(number) + int(days or 0)}D{rest}"
    return msgspec.convert(text, timedelta)


def _refusal(text: str) -> str:
    quoted = repr(text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "…")
    if colloquial := _COLLOQUIAL.fullmatch(text.strip()):
        example = _ISO_8601[colloquial[2][0].lower()].format(int(colloquial[1]))
        return f'{quoted} is no ISO 8601 duration; write "{example}".'
    if text.strip().isdecimal():
        return f"{quoted} is no ISO 8601 duration; write a number of seconds without quotes."
    if _OF_CALENDARS.fullmatch(text):
        return f'{quoted}: years and months are not all of one length; write days, as in "P30D".'
    return f'{quoted} is no ISO 8601 duration, such as "PT30S", "PT5M", "PT1H", "P1D" or "P1W".'
