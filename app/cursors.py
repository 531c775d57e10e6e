"""Keyset cursors: opaque to clients, the last row's key to us."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID

from app.problems import BadParameter

Key = TypeVar("Key", UUID, datetime)


def cursor_of(key: UUID | datetime) -> str:
    """The cursor that continues after a row."""
    if isinstance(key, UUID):
        return _encode(key.bytes)
    return _encode(key.astimezone(UTC).isoformat().encode())


def job_after(cursor: str | None) -> UUID | None:
    """The job id that a cursor names."""
    return None if cursor is None else _key(cursor, lambda key: UUID(bytes=key))


def fire_time_after(cursor: str | None) -> datetime | None:
    """The fire time that a cursor names."""
    if cursor is None:
        return None
    return _key(cursor, lambda key: datetime.fromisoformat(key.decode()).astimezone(UTC))


def _encode(key: bytes) -> str:
    return urlsafe_b64encode(key).decode()


def _key(cursor: str, read: Callable[[bytes], Key]) -> Key:
    try:
        key = read(urlsafe_b64decode(cursor))
        # Python's base64 skips what does not belong; only a cursor that we made is taken.
        if cursor_of(key) == cursor:
            return key
    except (ValueError, OverflowError):
        pass
    raise BadParameter("cursor", "Use the next_cursor of the page before, unchanged.")
