"""Parts that statements of queries are composed of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import (
    CTE,
    JSON,
    BigInteger,
    ColumnElement,
    Select,
    Table,
    Text,
    bindparam,
    cast,
    func,
    literal_column,
    or_,
    select,
)

from storage.cache.page_bytes import PAGE_BYTES

Clause = ColumnElement[bool]
Order = tuple[ColumnElement[Any], ...]

LIMIT = bindparam("limit", type_=BigInteger)


def columns_of(table: Table, kind: type[Struct]) -> list[ColumnElement[Any]]:
    """The columns that hold the fields of a Struct."""
    return [as_text(table.c[name]) for name in kind.__struct_fields__]


def as_text(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """The column; JSON as text, which the driver hands on as it is."""
    if not isinstance(column.type, JSON):
        return column
    return cast(column, Text).label(column.key)


def number(value: int) -> ColumnElement[int]:
    """A number that is part of the statement, so that the planner knows it."""
    return literal_column(str(value))


def if_given(name: str, kind: Any, clause: Callable[[Any], Clause]) -> Clause:
    """A filter that lets all pass while its parameter is null."""
    value = bindparam(name, type_=kind)
    return or_(value.is_(None), clause(value))


def materialized(rows: Select[Any], name: str) -> CTE:
    """Rows that are read once, by themselves."""
    return rows.cte(name).prefix_with("MATERIALIZED")


def alone(rows: Select[Any]) -> Select[Any]:
    """A subquery that the planner does not merge with what is around it, because of OFFSET 0."""
    return rows.offset(number(0))


def behind(columns: Any, keyset: Any, *, descending: bool) -> Clause:
    """Whether a row comes behind a keyset in the list."""
    found: Clause = columns < keyset if descending else columns > keyset
    return found


def directed(*columns: Any, descending: bool) -> Order:
    """Columns to sort by, all in one direction."""
    return tuple(column.desc() if descending else column.asc() for column in columns)


def as_far_as_it_fits(rows: Select[Any], *key: str, descending: bool = False) -> Select[Any]:
    """Of rows with `bytes`, those that fit a page, and the first that does not.

    Args:
        rows: With JSON as it is stored, of which no more is read than the page holds.
        key: Names of the columns that the rows are sorted by.
    """
    listed = rows.subquery("listed")
    sum_of_bytes = func.sum(listed.c.bytes).over(order_by=_sorted(listed.c, key, descending))
    page = select(*listed.c, (sum_of_bytes - listed.c.bytes).label("bytes_before")).subquery("page")
    return (
        select(*map(as_text, page.c))
        .where(page.c.bytes_before <= number(PAGE_BYTES))
        .order_by(*_sorted(page.c, key, descending))
    )


def _sorted(columns: Any, key: Sequence[str], descending: bool) -> Order:
    return directed(*(columns[name] for name in key), descending=descending)
