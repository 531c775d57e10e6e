"""What is cached: an answer's bytes, and what they are good for."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import Struct

VERSION_DIGITS, PLACE_DIGITS, NUMBER_DIGITS = 8, 24, 8
ORDER_DIGITS = VERSION_DIGITS + PLACE_DIGITS
_HEAD_DIGITS = ORDER_DIGITS + NUMBER_DIGITS
DELETED = 0xFFFF_FFFF
"""The version of what will never exist again."""
LIFE = timedelta(seconds=60)
"""How long an entry is kept at most."""


class Position(Struct, frozen=True, kw_only=True):
    """How far a service has come.

    Attributes:
        place: At or beyond its last commit: the primary's timeline (high bits) and bytes of WAL.
        number: Changes whenever a commit is told of, even if one told before had come as far.
        void_before: What was cached of places before this one is void.
    """

    place: int
    number: int = 0
    void_before: int = 0

    def encode(self) -> str:
        """As it lies in Redis: text of a fixed length, so that a later place is also greater."""
        return f"{self.place:0{PLACE_DIGITS}x}{self.number:0{NUMBER_DIGITS}x}"

    @classmethod
    def decode(cls, data: bytes) -> Position:
        """What was encoded, with `void_before` behind it."""
        place = int(data[:PLACE_DIGITS], 16)
        void_before = int(data[PLACE_DIGITS + NUMBER_DIGITS :], 16)
        return cls(
            place=place,
            number=int(data[PLACE_DIGITS : PLACE_DIGITS + NUMBER_DIGITS], 16),
            # A primary that took over may lack commits of the one before, which entries reflect.
            void_before=max(void_before, place >> 64 << 64),
        )


class Entry(Struct, frozen=True, kw_only=True):
    """An answer.

    Attributes:
        version: Of the object; 0 where there is none: a list, or an object that was not found.
        position: It reflects all commits up to there; later ones may be missing.
        until: When it is too old at the latest.
        etag: What clients may ask with whether it has changed.
        body: The answer as it is sent; empty where there is no such object.
    """

    version: int
    position: Position
    until: datetime
    etag: str
    body: bytes

    def holds(self, seen: Position, now: datetime) -> bool:
        """Whether a service that has come as far as `seen` may still be answered with it."""
        if now >= self.until:
            return False
        if self.version:  # whoever changes the object replaces it
            return self.position.place >= seen.void_before
        return (self.position.place, self.position.number) == (seen.place, seen.number)

    def encode(self) -> bytes:
        """As it lies in Redis: first what its scripts compare, as text."""
        order = f"{self.version:0{VERSION_DIGITS}x}{self.position.encode()}"
        return order.encode() + _encode((self.until.timestamp(), self.etag, self.body))

    @classmethod
    def decode(cls, data: bytes) -> Entry:
        """What was encoded."""
        until, etag, body = _decode(memoryview(data)[_HEAD_DIGITS:])
        return cls(
            version=int(data[:VERSION_DIGITS], 16),
            position=Position(
                place=int(data[VERSION_DIGITS:ORDER_DIGITS], 16),
                number=int(data[ORDER_DIGITS:_HEAD_DIGITS], 16),
            ),
            until=datetime.fromtimestamp(until, UTC),
            etag=etag,
            body=body,
        )


def kept_until(now: datetime, changes_at: datetime | None, life: timedelta = LIFE) -> datetime:
    """When an entry made now is too old: what was cached together does not end together.

    Args:
        changes_at: When the answer changes by itself.
    """
    end = now + life * random.uniform(0.9, 1)  # noqa: S311
    return end if changes_at is None else min(end, changes_at)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[float, str, bytes]).decode
