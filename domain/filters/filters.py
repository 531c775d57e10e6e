"""Filters of lists: every field says itself how clients ask for it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, ClassVar, get_type_hints

from msgspec import Struct, structs

from domain.errors import Invalid


class Asked(Struct, frozen=True, kw_only=True):
    """How clients ask for a field of a filter.

    Attributes:
        told: What clients are told of it.
        name: What they call it, if that is not the field's name.
        kind: The type of what they send, if that is not the field's.
        most: How often it may be repeated.
        longest: Characters; it has one at least.
        read: Makes the field's value of what was sent. It raises Invalid for what makes no sense.
        moves: Whether rows begin and cease to fit without anybody changing them.
    """

    told: str | None = None
    name: str | None = None
    kind: Any = None
    most: int | None = None
    longest: int | None = None
    read: Callable[[Any], Any] | None = None
    moves: bool = False


class Field(Struct, frozen=True):
    """A field of a filter."""

    name: str
    kind: Any
    asked: Asked

    @property
    def asked_as(self) -> str:
        """What clients call it."""
        return self.asked.name or self.name


class Filter(Struct, frozen=True, kw_only=True):
    """What is set narrows the choice. Each field is annotated with how it is asked for.

    Attributes:
        first_fields: Those that have always been there, beside `states`; see `identity`.
    """

    first_fields: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def fields(cls) -> tuple[Field, ...]:
        """The fields, in the order in which clients are told of them."""
        return _fields(cls)

    @property
    def given(self) -> frozenset[str]:
        """The names of the fields that are set."""
        return frozenset(
            name for name in self.__struct_fields__ if getattr(self, name) not in (None, ())
        )

    @property
    def moves(self) -> bool:
        """Whether rows begin and cease to fit without anybody changing them."""
        given = self.given
        return any(field.asked.moves for field in self.fields() if field.name in given)

    @property
    def identity(self) -> dict[str, object]:
        """What tells lists apart; as processes of earlier versions write it, if they can.

        A field that was added later is left out while it is not set, so that cursors of lists
        without it stay good.
        """
        fields = structs.asdict(self)
        states = fields.pop("states")
        first = {name: fields.pop(name) for name in [*fields] if name in self.first_fields}
        later = {name: value for name, value in fields.items() if value}
        return {"state": states[0] if len(states) == 1 else states or None, **first, **later}


def each_once(values: list[Any]) -> tuple[Any, ...]:
    """Values in any order, as the same filter has them always."""
    return tuple(sorted(set(values)))


def without_nul(value: str) -> str:
    """Text that Postgres can hold.

    Raises:
        Invalid: When it cannot.
    """
    if "\0" in value:
        raise Invalid("The value must not hold a NUL.")
    return value


@cache
def _fields(kind: type[Filter]) -> tuple[Field, ...]:
    hints = get_type_hints(kind, include_extras=True)
    return tuple(
        Field(name, hints[name].__origin__, asked)
        for name in kind.__struct_fields__
        for asked in hints[name].__metadata__
        if isinstance(asked, Asked)
    )
