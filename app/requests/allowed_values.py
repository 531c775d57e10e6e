"""What a type allows, in words: for whoever sent something else."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from enum import Enum
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

_EXAMPLES: dict[Any, Any] = {
    datetime: "2026-11-24T03:00:00Z",
    date: "2026-12-24",
    timedelta: "PT30S",
    UUID: "01937b5c-8a00-7000-8000-000000000000",
}


def advice(hint: Any) -> str:
    """The allowed values of a type, or an example; nothing where there is none to tell."""
    allowed: list[str] = []
    example: Any = None
    for kind in alternatives(hint):
        plain, told = unwrapped(kind)
        example = example or told or _EXAMPLES.get(plain)
        if isinstance(plain, type) and issubclass(plain, Enum):
            allowed += [str(member.value) for member in plain]
        elif typing.get_origin(plain) is Literal:
            allowed += [str(one) for one in typing.get_args(plain)]
        elif typing.get_origin(plain) is list:
            return advice(typing.get_args(plain)[0])
    if allowed:
        return f" Allowed are: {', '.join(allowed)}."
    return such_as(example)


def such_as(example: Any) -> str:
    """An example in words, if there is one."""
    return "" if example is None else f" Such as {msgspec.json.encode(example).decode()}."


def alternatives(hint: Any) -> Iterator[Any]:
    """The types of a union, each with an example if there is one."""
    plain, example = unwrapped(hint)
    if typing.get_origin(plain) in {typing.Union, types.UnionType}:
        for kind in typing.get_args(plain):
            yield from alternatives(kind)
    else:
        yield hint if example is None else Annotated[plain, Meta(examples=[example])]


def unwrapped(hint: Any) -> tuple[Any, Any]:
    """A type without what is noted of it, and the first example of that."""
    example = None
    while typing.get_origin(hint) is Annotated:
        for note in hint.__metadata__:
            if isinstance(note, Meta) and note.examples and example is None:
                example = note.examples[0]
        hint = hint.__origin__
    return hint, example
