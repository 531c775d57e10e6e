"""JSON Merge Patch (RFC 7396) on JSON as it was sent: what is not named stays to the letter."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from msgspec import Raw

from domain.errors import Invalid

Members = Mapping[str, Raw]
"""An object's members, each to the letter."""

MAX_DEPTH = 64
"""Each level is read once more, so deep ones are refused."""

_members = msgspec.json.Decoder(dict[str, Raw]).decode
_NULL = b"null"
_NULLED = Raw(_NULL)


def names_of(kind: Any) -> frozenset[str]:
    """The names of a struct's members."""
    return frozenset(field.encode_name for field in msgspec.structs.fields(kind))


def members_of(document: object) -> dict[str, Raw]:
    """The members of what is encoded as an object."""
    return _members(msgspec.json.encode(document))


def merged(stored: Members, patch: Members, pointer: str) -> dict[str, Raw]:
    """The stored object with a patch applied at every depth; null removes.

    Raises:
        Invalid: When the patch is nested too deeply, with a pointer to where it is merged.
    """
    return _merged(stored, patch, pointer, 1)


def with_unknown_nulls(value: Members, patch: Members, known: Collection[str]) -> dict[str, Raw]:
    """A merged object, and the nulls that a patch has for what is no member: to be refused."""
    return {**value, **{one: _NULLED for one in patch if one not in known and is_null(patch[one])}}


def is_null(value: Raw) -> bool:
    """Whether a value removes what it is named for."""
    return bytes(value).strip() == _NULL


def _merged(stored: Members, patch: Members, pointer: str, depth: int) -> dict[str, Raw]:
    result = dict(stored)
    for name, value in patch.items():
        if is_null(value):
            result.pop(name, None)
        else:
            result[name] = _value(result.get(name), value, pointer, depth)
    return result


def _value(stored: Raw | None, patch: Raw, pointer: str, depth: int) -> Raw:
    if not _is_object(patch):
        return patch
    if depth == MAX_DEPTH:
        raise Invalid(f"A patch is merged to a depth of {MAX_DEPTH} at most.", pointer)
    named = _members(patch)
    if stored is not None and _is_object(stored):
        return Raw(msgspec.json.encode(_merged(_members(stored), named, pointer, depth + 1)))
    result = _merged({}, named, pointer, depth + 1)
    if len(result) == len(named) and all(result[name] is named[name] for name in named):
        return patch  # there is no null in it: it stays as it was sent
    return Raw(msgspec.json.encode(result))


def _is_object(value: Raw) -> bool:
    return bytes(value).lstrip()[:1] == b"{"
