"""What is cached: an answer's bytes, and what they are good for."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import Struct

_VERSION_DIGITS = 8
POSITION_DIGITS = 24
ORDER_DIGITS = _VERSION_DIGITS + POSITION_DIGITS
DELETED = 0xFFFF_FFFF
"""The version of what will never exist again."""
LIFE = timedelta(seconds=60)
"""How long an entry is kept at most."""


class Entry(Struct, frozen=True, kw_only=True):
    """An answer.

    Attributes:
        version: Of the object; 0 where there is none: a list, or an object that was not found.
        position: The commit of its service that it reflects; later ones may be missing.
        until: When it is too old at the latest.
        etag: What clients may ask with whether it has changed.
        body: The answer as it is sent; empty where there is no such object.
    """

    version: int
    position: int
    until: datetime
    etag: str
    body: bytes

    def holds(self, seen: Position, now: datetime) -> bool:
        """Whether a service whose last commit is `seen` may still be answered with it."""
        if now >= self.until or self.position < seen.void_before:
            return False
        # An object's own entry is replaced by whoever changes it; all else may have changed with
        # any commit of the service.
        return bool(self.version) or self.position == seen.last

    def encode(self) -> bytes:
        """As it lies in Redis: first what its scripts compare, as text."""
        order = f"{self.version:0{_VERSION_DIGITS}x}{self.position:0{POSITION_DIGITS}x}"
        return order.encode() + _encode((self.until.timestamp(), self.etag, self.body))

    @classmethod
    def decode(cls, data: bytes) -> Entry:
        """What was encoded."""
        until, etag, body = _decode(memoryview(data)[ORDER_DIGITS:])
        return cls(
            version=int(data[:_VERSION_DIGITS], 16),
            position=int(data[_VERSION_DIGITS:ORDER_DIGITS], 16),
            until=datetime.fromtimestamp(until, UTC),
            etag=etag,
            body=body,
        )


class Position(Struct, frozen=True):
    """How far a service has come: the primary's timeline (high bits) and place in the WAL.

    Attributes:
        last: At or beyond the service's last commit.
        void_before: Entries of earlier commits are void.
    """

    last: int
    void_before: int = 0

    @property
    def lsn(self) -> int:
        """The place in the WAL alone, in bytes."""
        return self.last & 0xFFFF_FFFF_FFFF_FFFF

    def encode(self) -> str:
        """As it lies in Redis: text of a fixed length, so that a later one is also greater."""
        return f"{self.last:0{POSITION_DIGITS}x}{self.void_before:0{POSITION_DIGITS}x}"

    @classmethod
    def decode(cls, data: bytes) -> Position:
        """What was encoded."""
        last = int(data[:POSITION_DIGITS], 16)
        void_before = int(data[POSITION_DIGITS:], 16)
        # A primary that took over may lack commits of the one before, which entries still reflect.
        return cls(last, max(void_before, last >> 64 << 64))


def kept_until(now: datetime, changes_at: datetime | None, life: timedelta = LIFE) -> datetime:
    """When an entry made now is too old: what was cached together does not end together.

    Args:
        changes_at: When the answer changes by itself.
    """
    end = now + life * random.uniform(0.9, 1)  # noqa: S311
    return end if changes_at is None else min(end, changes_at)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[float, str, bytes]).decode
