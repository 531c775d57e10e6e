"""Keyset cursors: opaque to clients; to us the list, and the key of the last row shown of it."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from typing import Annotated, TypeVar
from uuid import UUID

from msgspec import Meta, MsgspecError
from msgspec.msgpack import Decoder, Encoder

from app.problems import BadParameter
from domain.service import SUBJECT

Place = tuple[datetime, Annotated[int, Meta(ge=0, lt=1 << 15)]]
"""A run within its job: fire time and generation."""
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,64}(?!\n)$")]

Moment = tuple[datetime, UUID]
"""A row of the audit trail: its instant and id."""

Key = TypeVar("Key", UUID, datetime, str, Place, Moment)

_encode = Encoder(uuid_format="bytes").encode
_ID = Decoder(tuple[str, UUID])
_FIRE_TIME = Decoder(tuple[str, datetime])
_PLACE = Decoder(tuple[str, Place])
_NAME = Decoder(tuple[str, Name])
_SUBJECT = Decoder(tuple[str, Annotated[str, Meta(pattern=SUBJECT)]])
_MOMENT = Decoder(tuple[str, Moment])


def cursor_of(listing: str, key: UUID | datetime | str | Place | Moment) -> str:
    """The cursor that continues a list after a row.

    Args:
        listing: Which list it is, such as its path.
    """
    return urlsafe_b64encode(_encode((listing, key))).decode()


def id_after(listing: str, cursor: str | None) -> UUID | None:
    """The id that a list's cursor names."""
    return None if cursor is None else _key(listing, cursor, _ID)


def fire_time_after(listing: str, cursor: str | None) -> datetime | None:
    """The fire time that a list's cursor names."""
    return None if cursor is None else _key(listing, cursor, _FIRE_TIME)


def run_after(listing: str, cursor: str | None) -> Place | None:
    """The run of a job that a list's cursor names."""
    return None if cursor is None else _key(listing, cursor, _PLACE)


def name_after(listing: str, cursor: str | None) -> str | None:
    """The name that a list's cursor names."""
    return None if cursor is None else _key(listing, cursor, _NAME)


def subject_after(listing: str, cursor: str | None) -> str | None:
    """The subject that a list's cursor names."""
    return None if cursor is None else _key(listing, cursor, _SUBJECT)


def audit_after(listing: str, cursor: str | None) -> Moment | None:
    """The audit row that a list's cursor names."""
    return None if cursor is None else _key(listing, cursor, _MOMENT)


def _key(listing: str, cursor: str, decoder: Decoder[tuple[str, Key]]) -> Key:
    try:
        _, key = decoder.decode(urlsafe_b64decode(cursor))
        # Only a cursor that we made for this list is taken, letter by letter.
        if cursor_of(listing, key) == cursor:
            return key
    except (MsgspecError, ValueError, OverflowError):
        pass
    raise BadParameter("cursor", "Use the next_cursor of this list's page before, unchanged.")
