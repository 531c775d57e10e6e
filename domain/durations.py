"""Durations and instants as clients send them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from msgspec import Meta

from domain.errors import Invalid

END_OF_TIME = datetime(9999, 1, 1, tzinfo=UTC)
"""From here on no instant is taken: local times, and what is reckoned from it, would pass it."""

TOO_LATE = "The instant must come before 9999-01-01T00:00Z."

Duration = Annotated[
    timedelta | Annotated[float, Meta(extra_json_schema={"minimum": 0})],
    Meta(description="ISO 8601, such as PT30S, or a number of seconds"),
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


def instant_of(value: datetime, pointer: str, timezone: ZoneInfo | None = None) -> datetime:
    """A sent instant in UTC.

    Raises:
        Invalid: When it does not exist in UTC, or lies in the year 9999 or later.
    """
    try:
        aware = value if value.tzinfo else value.replace(tzinfo=timezone)
        in_utc = aware.astimezone(UTC)
    except (OverflowError, ValueError):
        raise Invalid("The instant is out of range.", pointer) from None
    if in_utc >= END_OF_TIME:
        raise Invalid(TOO_LATE, pointer)
    return in_utc


def duration_of(value: Any, pointer: str) -> timedelta:
    """A sent duration.

    Raises:
        Invalid: When it is longer than durations can be.
    """
    try:
        return value if isinstance(value, timedelta) else timedelta(seconds=value)
    except (OverflowError, ValueError):
        raise Invalid("The duration is out of range.", pointer) from None
