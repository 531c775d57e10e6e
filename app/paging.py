"""Pages of lists: one item more is asked for than shown, to know whether there is more."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, TypeVar
from uuid import UUID

from litestar.params import QueryParameter

from app.cursors import Moment, Place, cursor_of
from storage.page_bytes import Cut

Limit = Annotated[int, QueryParameter(ge=1, le=200, description="Items on a page")]
Cursor = Annotated[
    str | None, QueryParameter(max_length=200, description="next_cursor of the page before")
]

Row = TypeVar("Row")


def next_cursor(
    listing: str,
    rows: list[Row],
    limit: int,
    key: Callable[[Row], UUID | datetime | str | Place | Moment],
) -> str | None:
    """The cursor behind the last row that is shown, if there are more rows than `limit`.

    Args:
        listing: Which list it is, such as its path.
    """
    return cursor_of(listing, key(rows[limit - 1])) if len(rows) > limit else None


def cursor_behind_cut(
    listing: str, found: Cut[Row], key: Callable[[Row], UUID | datetime | str | Place | Moment]
) -> str | None:
    """The same of a page that may be cut short as it would be too large."""
    return cursor_of(listing, key(found.items[-1])) if found.more else None
