"""Cursors: where a list goes on. Opaque to clients, and each is good for its own list only."""

from __future__ import annotations

from abc import ABC, abstractmethod
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from litestar.params import QueryParameter
from msgspec import Meta, MsgspecError
from msgspec.msgpack import Decoder, Encoder

from app.responses.problems import BadParameter
from domain.access.service import SUBJECT
from domain.durations import END_OF_TIME
from domain.filters.filters import Filter
from domain.filters.keyset import Keyset
from domain.ids import EPOCH
from storage.cache.page_bytes import Cut

Limit = Annotated[int, QueryParameter(ge=1, le=200, description="Items on a page")]
Cursor = Annotated[
    str | None, QueryParameter(max_length=200, description="next_cursor of the page before")
]

Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,64}(?!\n)$")]
Subject = Annotated[str, Meta(pattern=SUBJECT)]
Moment = tuple[datetime, UUID]
"""A row of the audit trail: its instant and id."""
Key = TypeVar("Key")
Row = TypeVar("Row")

_encode = Encoder(uuid_format="bytes").encode
_encode_identity = Encoder().encode
_MICROSECOND = timedelta(microseconds=1)
_FIRST = datetime.min.replace(tzinfo=UTC) + timedelta(seconds=1)


class _Cursors(ABC, Generic[Key]):
    """What writes and reads the cursors of one list. A key is what its rows are sorted by."""

    _advice: str

    @abstractmethod
    def behind(self, key: Key) -> str:
        """The cursor that continues the list behind a row."""

    @abstractmethod
    def _key(self, cursor: str) -> Key: ...

    def after(self, cursor: str | None) -> Key | None:
        """The key behind which a cursor continues the list.

        Raises:
            BadParameter: When it is not ours, or of another list.
        """
        if cursor is None:
            return None
        try:
            key = self._key(cursor)
            # Python's base64 skips what does not belong; only what we made is taken, as it was.
            if self.behind(key) == cursor:
                return key
        except (MsgspecError, ValueError, OverflowError):
            pass
        raise BadParameter("cursor", self._advice)


class Cursors(_Cursors[Key]):
    """Of a list that its path names; such as `by_id("keys")`."""

    _advice = "Use the next_cursor of this list's page before, unchanged."

    def __init__(self, listing: str, decoder: Decoder[tuple[str, Key]]) -> None:
        self._listing = listing
        self._decoder = decoder

    def behind(self, key: Key) -> str:
        return urlsafe_b64encode(_encode((self._listing, key))).decode()

    def behind_page(self, rows: Sequence[Row], limit: int, key: Callable[[Row], Key]) -> str | None:
        """The cursor behind the last row that is shown, if there are more rows than `limit`."""
        return self.behind(key(rows[limit - 1])) if len(rows) > limit else None

    def behind_cut(self, found: Cut[Row], key: Callable[[Row], Key]) -> str | None:
        """The same of a page that may be cut short as it would be too large."""
        return self.behind(key(found.items[-1])) if found.more else None

    def _key(self, cursor: str) -> Key:
        return self._decoder.decode(urlsafe_b64decode(cursor))[1]


class FilteredCursors(_Cursors[Keyset]):
    """Of a list that is filtered and sorted.

    Args:
        identity: What tells it apart: the kind of list, its filter and its order.
        row_id: What its rows are known by.
    """

    _advice = "Use the next_cursor of the page before, unchanged, with the same filters."
    _decode = staticmethod(Decoder(tuple[bytes, int | None, bytes | int]).decode)

    def __init__(self, *identity: object, row_id: type[UUID | int] = UUID) -> None:
        told = [one.identity if isinstance(one, Filter) else one for one in identity]
        self._name = blake2b(_encode_identity(told), digest_size=8).digest()
        self._row_id = row_id

    def behind(self, key: Keyset) -> str:
        at = None if key.at is None else (key.at - EPOCH) // _MICROSECOND
        row_id = key.id.bytes if isinstance(key.id, UUID) else key.id
        return urlsafe_b64encode(_encode((self._name, at, row_id))).decode().rstrip("=")

    def behind_or_end(self, place: Keyset | None) -> str | None:
        """The cursor, if the list goes on."""
        return None if place is None else self.behind(place)

    def _key(self, cursor: str) -> Keyset:
        name, at, row_id = self._decode(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        place = Keyset(
            at=None if at is None else EPOCH + at * _MICROSECOND,
            id=row_id if isinstance(row_id, int) else UUID(bytes=row_id),
        )
        is_ours = name == self._name and isinstance(place.id, self._row_id)
        # A made-up cursor must not lead to where instants can no longer be computed.
        if not is_ours or not _can_be(place):
            raise ValueError(cursor)
        return place


def _can_be(place: Keyset) -> bool:
    if isinstance(place.id, int) and not 0 <= place.id < 1 << 15:
        return False
    return place.at is None or _FIRST <= place.at <= END_OF_TIME


def _by(kind: Any) -> Callable[[str], Cursors[Any]]:
    decoder: Decoder[Any] = Decoder(tuple[str, kind])
    return lambda listing: Cursors(listing, decoder)


by_id: Callable[[str], Cursors[UUID]] = _by(UUID)
"""The cursors of a list of that path, whose rows are sorted by their ids."""
by_fire_time: Callable[[str], Cursors[datetime]] = _by(datetime)
by_name: Callable[[str], Cursors[str]] = _by(Name)
by_subject: Callable[[str], Cursors[str]] = _by(Subject)
by_moment: Callable[[str], Cursors[Moment]] = _by(Moment)
