"""Keyset cursors: opaque to clients, the last row's key to us."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from uuid import UUID

from app.problems import BadParameter


def cursor_of(key: UUID | datetime) -> str:
    """The cursor that continues after a row."""
    if isinstance(key, UUID):
        return _encode(key.bytes)
    return _encode(key.astimezone(UTC).isoformat().encode())


def job_after(cursor: str | None) -> UUID | None:
    """The job id that a cursor names."""
    if cursor is None:
        return None
    try:
        return UUID(bytes=urlsafe_b64decode(cursor))
    except ValueError:
        raise _unknown() from None


def fire_time_after(cursor: str | None) -> datetime | None:
    """The fire time that a cursor names."""
    if cursor is None:
        return None
    try:
        return datetime.fromisoformat(urlsafe_b64decode(cursor).decode()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise _unknown() from None


def _encode(key: bytes) -> str:
    return urlsafe_b64encode(key).decode()


def _unknown() -> BadParameter:
    return BadParameter("cursor", "Use the next_cursor of the page before, unchanged.")
