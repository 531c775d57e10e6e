"""A service's named secrets, and `${secret.NAME}`, by which its targets refer to them.

A reference is found in text as it was sent, that of a JSON value included, where it can only stand
inside a string. `$${secret.NAME}` is sent as `${secret.NAME}`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime

from msgspec import Struct

from domain.errors import Invalid

NAME = r"[A-Za-z_][A-Za-z0-9_-]{0,63}"
MARK = "${secret."
"""What every reference begins with, an escaped one too."""
MAX_VALUE_BYTES = 8 * 1_024
MAX_NAMES = 20
"""Different secrets of one target."""

_REFERENCE = re.compile(rf"(?P<escaped>\$?)\$\{{secret\.(?:(?P<name>{NAME})\}})?")


class Secret(Struct, frozen=True, kw_only=True):
    """What is told of a secret: never its value.

    Attributes:
        key_id: The key of the ring that it is encrypted with.
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


def names_in(text: str) -> set[str]:
    """The names that a text refers to."""
    found = _REFERENCE.finditer(text)
    return {match["name"] for match in found if match["name"] and not match["escaped"]}


def filled_in(text: str, value_of: Callable[[str], str]) -> str:
    """A text with values in place of references."""

    def value(match: re.Match[str]) -> str:
        if match["escaped"]:
            return match[0][1:]
        return value_of(match["name"]) if match["name"] else match[0]

    return _REFERENCE.sub(value, text)


def length_filled_in(text: str, length_of: Callable[[str], int]) -> int:
    """At most how long a text is with values in place of references."""
    found = _REFERENCE.finditer(text)
    return len(text) + sum(length_of(match["name"]) for match in found if match["name"])
