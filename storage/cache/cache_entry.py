"""What is cached: an answer's bytes, and what they are good for."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import Struct

VERSION_DIGITS, LSN_DIGITS, NUMBER_DIGITS = 8, 24, 8
ORDER_DIGITS = VERSION_DIGITS + LSN_DIGITS
_HEAD_DIGITS = ORDER_DIGITS + NUMBER_DIGITS
DELETED = 0xFFFF_FFFF
"""The version of what will never exist again."""
LIFE = timedelta(seconds=60)
"""How long an entry is kept at most."""


class ConsistencyToken(Struct, frozen=True, kw_only=True):
    """How far a service has come.

    Attributes:
        lsn: At or beyond its last commit: the primary's timeline (high bits) and bytes of WAL.
        number: Changes whenever a commit is told of, even if one told before had come as far.
        invalid_before: What was cached before this LSN is invalid.
    """

    lsn: int
    number: int = 0
    invalid_before: int = 0

    def encode(self) -> str:
        """As it lies in Redis: text of a fixed length, so that a later LSN is also greater."""
        return f"{self.lsn:0{LSN_DIGITS}x}{self.number:0{NUMBER_DIGITS}x}"

    @classmethod
    def decode(cls, data: bytes) -> ConsistencyToken:
        """What was encoded, with `invalid_before` behind it."""
        lsn = int(data[:LSN_DIGITS], 16)
        invalid_before = int(data[LSN_DIGITS + NUMBER_DIGITS :], 16)
        return cls(
            lsn=lsn,
            number=int(data[LSN_DIGITS : LSN_DIGITS + NUMBER_DIGITS], 16),
            # A promoted primary may lack commits of the one before, which entries reflect.
            invalid_before=max(invalid_before, lsn >> 64 << 64),
        )


class CacheEntry(Struct, frozen=True, kw_only=True):
    """An answer.

    Attributes:
        version: Of the object; 0 where there is none: a list, or an object that was not found.
        token: The entry reflects all commits up to there; later ones may be missing.
        until: When it is too old at the latest.
        etag: What clients may ask with whether it has changed.
        body: The answer as it is sent; empty where there is no such object.
    """

    version: int
    token: ConsistencyToken
    until: datetime
    etag: str
    body: bytes

    def holds(self, seen: ConsistencyToken, now: datetime) -> bool:
        """Whether a service that has come as far as `seen` may still be answered with it."""
        if now >= self.until:
            return False
        if self.version:  # whoever changes the object replaces it
            return self.token.lsn >= seen.invalid_before
        return (self.token.lsn, self.token.number) == (seen.lsn, seen.number)

    def encode(self) -> bytes:
        """As it lies in Redis: first what its scripts compare, as text."""
        order = f"{self.version:0{VERSION_DIGITS}x}{self.token.encode()}"
        return order.encode() + _encode((self.until.timestamp(), self.etag, self.body))

    @classmethod
    def decode(cls, data: bytes) -> CacheEntry:
        """What was encoded."""
        until, etag, body = _decode(memoryview(data)[_HEAD_DIGITS:])
        return cls(
            version=int(data[:VERSION_DIGITS], 16),
            token=ConsistencyToken(
                lsn=int(data[VERSION_DIGITS:ORDER_DIGITS], 16),
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
