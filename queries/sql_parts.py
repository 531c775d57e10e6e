"""Parts that statements of lists are composed of."""

from __future__ import annotations

from typing import Any

from sqlalchemy import CTE, ColumnElement, Select, literal_column

Clause = ColumnElement[bool]
Order = tuple[ColumnElement[Any], ...]


def number(value: int) -> ColumnElement[int]:
    """A number that is part of the statement, so that the planner knows it."""
    return literal_column(str(value))


def materialized(rows: Select[Any], name: str) -> CTE:
    """Rows that are read once, by themselves."""
    return rows.cte(name).prefix_with("MATERIALIZED")


def alone(rows: Select[Any]) -> Select[Any]:
    """Rows that the planner looks up as they stand: OFFSET 0 leaves it nothing else."""
    return rows.offset(number(0))


def behind(columns: Any, place: Any, *, descending: bool) -> Clause:
    """Whether a row comes behind a place in the list."""
    found: Clause = columns < place if descending else columns > place
    return found


def directed(*columns: Any, descending: bool) -> Order:
    """Columns to sort by, all in one direction."""
    return tuple(column.desc() if descending else column.asc() for column in columns)
