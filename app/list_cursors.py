"""Cursors of lists that are filtered and sorted: each is good for its own list only."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from uuid import UUID

import msgspec

from app.problems import BadParameter
from domain.durations import END_OF_TIME
from domain.ids import EPOCH
from domain.job_filter import JobFilter
from domain.place import Place
from domain.run_filter import RunFilter

_MICROSECOND = timedelta(microseconds=1)
_SECOND = timedelta(seconds=1)
_FIRST = datetime.min.replace(tzinfo=UTC) + _SECOND
_LAST = END_OF_TIME
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[bytes, int | None, bytes | int]).decode


def list_of(*identity: object) -> bytes:
    """What tells lists apart: made of the kind of list, its filters and its order."""
    told = [one.identity if isinstance(one, JobFilter | RunFilter) else one for one in identity]
    return blake2b(_encode(told), digest_size=8).digest()


def cursor_behind(place: Place | None, of: bytes) -> str | None:
    """The cursor that continues a list behind a place."""
    if place is None:
        return None
    at = None if place.at is None else (place.at - EPOCH) // _MICROSECOND
    place_id = place.id.bytes if isinstance(place.id, UUID) else place.id
    return urlsafe_b64encode(_encode((of, at, place_id))).decode().rstrip("=")


def place_behind(cursor: str | None, of: bytes, kind: type[UUID | int]) -> Place | None:
    """Where a cursor continues its list.

    Args:
        kind: What rows of that list are known by.

    Raises:
        BadParameter: When it is not ours, or of another list.
    """
    if cursor is None:
        return None
    try:
        place = _place(cursor, of)
        # Python's base64 skips what does not belong; only a cursor that we made is taken.
        if isinstance(place.id, kind) and cursor_behind(place, of) == cursor:
            return place
    except (ValueError, OverflowError, msgspec.MsgspecError):
        pass
    raise BadParameter(
        "cursor", "Use the next_cursor of the page before, unchanged, with the same filters."
    )


def _place(cursor: str, of: bytes) -> Place:
    named, at, place_id = _decode(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    if named != of:
        raise ValueError(cursor)
    instant: datetime | None = None if at is None else EPOCH + at * _MICROSECOND
    # Whoever makes a cursor up must not get where one cannot reckon any more.
    if instant is not None and not _FIRST <= instant <= _LAST:
        raise ValueError(cursor)
    if isinstance(place_id, int):
        if not 0 <= place_id < 1 << 15:
            raise ValueError(cursor)
        return Place(at=instant, id=place_id)
    return Place(at=instant, id=UUID(bytes=place_id))
