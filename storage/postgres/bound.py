"""Statements that are put together from parts, with every value bound."""

from __future__ import annotations

from collections.abc import Hashable


class Bound:
    """The arguments of one statement."""

    def __init__(self) -> None:
        self._places: dict[tuple[str, Hashable], str] = {}

    @property
    def values(self) -> list[Hashable]:
        """The arguments, in the order of their numbers."""
        return [value for _, value in self._places]

    def __call__(self, value: Hashable, kind: str) -> str:
        """What stands for a value of a Postgres type in the statement; it must be used there."""
        place = f"${len(self._places) + 1}::{kind}"
        return self._places.setdefault((kind, value), place)
