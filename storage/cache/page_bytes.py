"""How many bytes a page of a list has at most, as it is read and as it is sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from msgspec import Struct

PAGE_BYTES = 4 * 1024 * 1024
"""A page ends before the item with which it would have more; it has one item at least."""

Item = TypeVar("Item")


class Cut(Struct, Generic[Item], frozen=True):
    """Attributes:
    more: Whether the list goes on behind these.
    """

    items: list[Item]
    more: bool


def bytes_of(column: str) -> str:
    """SQL: the length of a JSON column as text; only a compressed value is read for it."""
    return (
        f"CASE WHEN pg_column_compression({column}) IS NULL"
        f" THEN pg_column_size({column}) ELSE octet_length({column}::text) END"
    )


def cut(rows: Sequence[Item], limit: int, size: Callable[[Item], int]) -> Cut[Item]:
    """The rows of a page.

    Args:
        rows: One more than the page holds, if the list goes on.
        limit: Rows on a page.
        size: Bytes of a row.
    """
    shown: list[Item] = []
    so_far = 0
    for row in rows[:limit]:
        so_far += size(row)
        if shown and so_far > PAGE_BYTES:
            break
        shown.append(row)
    return Cut(shown, len(rows) > len(shown))
