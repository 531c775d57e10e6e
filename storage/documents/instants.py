"""Instants as they are written: in UTC, with `Z` and microseconds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, cast

from msgspec import Meta

_FORMAT = {"format": "date-time"}  # not by `tz`, which would also be checked
Instant = Annotated[
    datetime, Meta(examples=["2026-11-24T03:00:00.000000Z"], extra_json_schema=_FORMAT)
]
LocalTime = Annotated[
    datetime, Meta(examples=["2026-11-24T04:00:00+01:00"], extra_json_schema=_FORMAT)
]
"""With the offset of its zone."""


def instant(value: datetime) -> datetime:
    """What will be encoded as RFC 3339 in UTC with `Z` and microseconds."""
    in_utc = value if value.tzinfo is UTC else value.astimezone(UTC)
    if in_utc.microsecond:
        return in_utc
    # The encoder, which is much faster, would leave out microseconds that are zero. It takes the
    # text as it is.
    return cast("datetime", in_utc.isoformat(timespec="microseconds")[:-6] + "Z")


def instant_or_none(value: datetime | None) -> datetime | None:
    """The same for what may be missing."""
    return None if value is None else instant(value)
