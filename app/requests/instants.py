"""Instants that clients ask about in the query of a URL."""

from __future__ import annotations

from datetime import UTC, datetime

from app.responses.problems import BadParameter
from domain.durations import END_OF_TIME, TOO_LATE


def utc_parameter(value: datetime, name: str) -> datetime:
    """An instant of the query, in UTC.

    Raises:
        BadParameter: When it lacks an offset, does not exist in UTC, or lies in the year 9999.
    """
    if value.tzinfo is None:
        raise BadParameter(name, "Give the instant with an offset, such as 2026-11-24T03:00:00Z.")
    try:
        in_utc = value.astimezone(UTC)
    except OverflowError:
        raise BadParameter(name, "The instant is out of range.") from None
    if in_utc >= END_OF_TIME:
        raise BadParameter(name, TOO_LATE)
    return in_utc
