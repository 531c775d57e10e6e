"""A service's named secrets, and `${secret.NAME}`, by which its targets refer to them.

A reference is found in text as it was sent, that of a JSON value included, where it can only stand
inside a string. `$${secret.NAME}` is sent as `${secret.NAME}`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime

import msgspec
from msgspec import Struct

from domain.errors import Invalid

NAME = r"[A-Za-z_][A-Za-z0-9_-]{0,63}"
MARK = "${secret."
"""What every reference begins with, an escaped one too."""
MAX_VALUE_BYTES = 8 * 1_024
MAX_NAMES = 20
"""Different secrets of one target."""
MAX_FILLED_BYTES = 1_024 * 1_024
"""Of a body or payload with its secrets."""
MAX_HEADER_CHARACTERS = 16 * 1_024

_HEADER = re.compile(r"[\t\x20-\x7e]*")
_REFERENCE = re.compile(rf"(?P<escaped>\$?)\$\{{secret\.(?:(?P<name>{NAME})\}})?")


class Secret(Struct, frozen=True, kw_only=True):
    """What is told of a secret: never its value.

    Attributes:
        key_id: The encryption key that it is encrypted with.
    """

    name: str
    key_id: str
    created_at: datetime
    updated_at: datetime


class Reference(Struct, frozen=True):
    """A name and the pointer to where it stands."""

    name: str
    pointer: str


def check_value(value: str) -> None:
    """Refuse a value that is too long.

    Raises:
        Invalid: With a pointer to `value`.
    """
    if len(value.encode(errors="replace")) > MAX_VALUE_BYTES:
        raise Invalid(f"A secret may have {MAX_VALUE_BYTES:,} bytes of UTF-8.", "/value")


def references(text: str, pointer: str) -> Iterator[Reference]:
    """The references in a text.

    Raises:
        Invalid: When one has no proper name or no end.
    """
    if MARK not in text:
        return
    for match in _REFERENCE.finditer(text):
        if match["escaped"]:
            continue
        if match["name"] is None:
            raise Invalid(
                "Write a reference as ${secret.NAME}, its name of 1 to 64 letters, digits, _ "
                "and -; write $${secret. where none is meant.",
                pointer,
            )
        yield Reference(match["name"], pointer)


def in_json(raw: msgspec.Raw, values: Mapping[str, str], pointer: str) -> msgspec.Raw:
    """JSON with values in place of references, which stay within their strings whatever they are.

    Raises:
        Invalid: When it gets too long.
    """
    escaped = {name: msgspec.json.encode(value)[1:-1].decode() for name, value in values.items()}
    return msgspec.Raw(_filled_in(bytes(raw).decode(), escaped, MAX_FILLED_BYTES, pointer).encode())


def in_header(text: str, values: Mapping[str, str], pointer: str) -> str:
    """A header's value with values in place of references.

    Raises:
        Invalid: When it gets too long, or cannot be sent.
    """
    filled = _filled_in(text, values, MAX_HEADER_CHARACTERS, pointer)
    if not _HEADER.fullmatch(filled):
        raise Invalid(
            "With its secrets a header's value holds what cannot be sent: only printable ASCII "
            f"can, no line breaks ({pointer}).",
            pointer,
        )
    return filled


def _filled_in(text: str, values: Mapping[str, str], longest: int, pointer: str) -> str:
    def value(match: re.Match[str]) -> str:
        return match[0][1:] if match["escaped"] else values[match["name"]]

    found = (match for match in _REFERENCE.finditer(text) if not match["escaped"])
    # Before it is made: a long value may be referred to very often.
    if len(text) + sum(len(values[match["name"]]) for match in found) > longest:
        raise Invalid(f"With its secrets this is longer than {longest:,} ({pointer}).", pointer)
    return _REFERENCE.sub(value, text)
