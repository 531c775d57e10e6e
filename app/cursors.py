"""Keyset cursors: opaque to clients, the last row's key to us."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID

from app.problems import BadParameter

Place = tuple[datetime, int]
"""A run within its job: fire time and generation."""

Key = TypeVar("Key", UUID, datetime, str, Place)
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


def cursor_of(key: UUID | datetime | str | Place) -> str:
    """The cursor that continues after a row."""
    match key:
        case UUID():
            return _encode(key.bytes)
        case datetime():
            return _encode(_text(key).encode())
        case str():
            return _encode(b"@" + key.encode())
        case (scheduled_for, generation):
            return _encode(f"{generation}@{_text(scheduled_for)}".encode())


def id_after(cursor: str | None) -> UUID | None:
    """The id that a cursor names."""
    return None if cursor is None else _key(cursor, lambda key: UUID(bytes=key))


def fire_time_after(cursor: str | None) -> datetime | None:
    """The fire time that a cursor names."""
    return None if cursor is None else _key(cursor, lambda key: _instant(key.decode()))


def run_after(cursor: str | None) -> Place | None:
    """The run of a job that a cursor names."""
    return None if cursor is None else _key(cursor, _place)


def name_after(cursor: str | None) -> str | None:
    """The name that a cursor names."""
    return None if cursor is None else _key(cursor, _name)


def _place(key: bytes) -> Place:
    generation, _, text = key.decode().partition("@")
    number = int(generation)
    if not 0 <= number < 1 << 15:
        raise ValueError(generation)
    return _instant(text), number


def _name(key: bytes) -> str:
    text = key.decode().removeprefix("@")
    if not _NAME.fullmatch(text):
        raise ValueError(text)
    return text


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat()


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


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
