"""Pages of runs by filter and order: a page looks at so many runs at most, whatever the filter.

So a page may be short, even empty, and still not be the last. States and triggers that are rare
have an index of their own, which is looked through instead of all runs.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple, Self
from uuid import UUID

import asyncpg
from msgspec import Struct
from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    SmallInteger,
    Uuid,
    and_,
    bindparam,
    false,
    func,
    select,
    true,
    tuple_,
    union_all,
)

from domain.filters.job_filter import Order
from domain.filters.keyset import Keyset
from domain.filters.run_filter import RunFilter
from domain.ids import first_run_id
from domain.runs.run import Run, Trigger
from queries.runs.last_attempts import RunDetails, details_of
from queries.runs.parts import (
    ALWAYS,
    BY_HAND,
    RARE,
    RARE_STATES,
    SELDOM,
    SERVICE_ID,
    SHOWN_RUN,
    WINDOW,
)
from queries.sql_parts import Clause, behind, directed, materialized, number
from storage.postgres.pools import Driver
from storage.postgres.statements import Statement
from storage.runs.rows import SHOWN, run_of
from storage.schema.columns import INSTANT
from storage.schema.tables import runs

LOOK = 2_000
"""How many runs a page looks at, at most."""
SHAPES = 500
"""Statements kept; what services ask for usually are some dozens."""

_WANTED = bindparam("wanted", type_=Integer)
_AFTER_AT = bindparam("after_at", type_=INSTANT)
_SLACK = timedelta(milliseconds=2)
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC) - 2 * _SLACK


class RunQuery(Struct, frozen=True, kw_only=True):
    """Attributes:
    limit: Rows on a page.
    after: Where the page before ended.
    """

    service_id: UUID
    chosen: RunFilter
    order: Order
    limit: int
    after: Keyset | None

    @property
    def by_id(self) -> bool:
        """Whether the list is sorted by run id, and not by fire time within one job."""
        return self.chosen.job_id is None or self.rare is not None

    @property
    def costly(self) -> bool:
        """Whether more is looked at than is shown."""
        return not self.chosen.given <= {"job_id", *WINDOW}

    @property
    def rare(self) -> str | None:
        """An index that holds what is looked for, and few others."""
        indexes = {RARE_STATES.get(state) for state in self.chosen.states}
        if len(indexes) == 1 and (index := indexes.pop()) is not None:
            return index
        if self.chosen.backfill_id or self.chosen.trigger not in (None, Trigger.SCHEDULE):
            return BY_HAND
        return None


class RunPage(Struct, frozen=True):
    """Attributes:
    told: What lists tell beside, by the run's id.
    more: Where the next page begins, if there may be one.
    """

    runs: list[Run]
    told: dict[UUID, RunDetails]
    more: Keyset | None


async def page_of_runs(query: RunQuery, driver: Driver, look: int = LOOK) -> RunPage:
    """A page, by fire time, of what is found among so many runs."""
    statement = _statement(_Shape.of(query), look)
    rows = await statement.fetch(driver, **_values(query, statement))
    ends = bool(rows) and rows[-1]["ends"]
    shown = (rows[:-1] if ends else rows)[: query.limit]
    more = rows[-1] if ends else shown[-1] if len(rows) > query.limit else None
    page = [run_of(row) for row in shown]
    told = await details_of(page, query.service_id, driver)
    return RunPage(page, told, None if more is None else _keyset(query, more))


class _Shape(NamedTuple):
    """What lists have in common that differ by values alone."""

    by_id: bool
    rare: str | None
    seldom: tuple[str, ...]
    begun: bool
    descending: bool

    @classmethod
    def of(cls, query: RunQuery) -> Self:
        given = query.chosen.given
        seldom = tuple(name for name in SELDOM if name in given)
        begun, descending = query.after is not None, query.order is Order.DESC
        return cls(query.by_id, query.rare, seldom, begun, descending)

    @property
    def key(self) -> tuple[ColumnElement[Any], ...]:
        """What the list is sorted by."""
        return (runs.c.id,) if self.by_id else (runs.c.scheduled_for, runs.c.generation)


@lru_cache(SHAPES)
def _statement(shape: _Shape, look: int) -> Statement:
    """Runs that fit; where too few do, behind them the last run looked at, if there are more."""
    looked = materialized(_walk(shape, look), "looked")
    columns = [looked.c[name] for name in SHOWN]
    page = materialized(select(*columns).where(looked.c.fits).limit(_WANTED), "page")
    found = select(func.count()).select_from(page).scalar_subquery()
    last = select(*columns, true()).where(found < _WANTED)
    shown = union_all(
        select(*page.c, false().label("ends")), last.offset(number(look - 1)).limit(number(1))
    ).subquery("shown")
    order = directed(*(shown.c[column.name] for column in shape.key), descending=shape.descending)
    return Statement(select(*shown.c).order_by(shown.c.ends, *order))


def _walk(shape: _Shape, look: int) -> Select[Any]:
    fits = and_(
        *(clause for name, clause in ALWAYS.items() if shape.by_id or name != "job_id"),
        *(SELDOM[name] for name in shape.seldom),
    )
    walk = (
        select(*SHOWN_RUN, fits.label("fits"))
        .select_from(runs)
        .where(runs.c.service_id == SERVICE_ID, *_within(shape))
        .order_by(*directed(*shape.key, descending=shape.descending))
        .limit(number(look))
    )
    if not shape.by_id:
        walk = walk.where(runs.c.job_id == bindparam("job_id", type_=Uuid))
    if shape.rare is not None:
        walk = walk.where(RARE[shape.rare])
    if shape.begun:
        walk = walk.where(_behind(shape))
    return walk


def _within(shape: _Shape) -> list[Clause]:
    """The bounds of the fire time, always both: there are to be few statements."""
    where = [
        runs.c.scheduled_for >= bindparam("since", type_=INSTANT),
        runs.c.scheduled_for < bindparam("before", type_=INSTANT),
    ]
    if shape.by_id:
        where.append(runs.c.id >= bindparam("first_id", type_=Uuid))
        where.append(runs.c.id < bindparam("end_id", type_=Uuid))
    return where


def _behind(shape: _Shape) -> Clause:
    if shape.by_id:
        after_id = bindparam("after_id", type_=Uuid)
        return behind(runs.c.id, after_id, descending=shape.descending)
    keyset = tuple_(_AFTER_AT, bindparam("after_id", type_=SmallInteger))
    return behind(tuple_(*shape.key), keyset, descending=shape.descending)


def _values(query: RunQuery, statement: Statement) -> dict[str, Any]:
    since, before = _window(query)
    chosen, after = query.chosen, query.after
    values = {
        "service_id": query.service_id,
        "wanted": query.limit + 1,
        "since": since,
        "before": before,
        "first_id": first_run_id(since),
        # Ids of one millisecond come in any order.
        "end_id": UUID(int=first_run_id(before).int + (1 << 80)),
        "after_at": after and after.at,
        "after_id": after and after.id,
    }
    return {
        name: values[name] if name in values else getattr(chosen, name) or None
        for name, _, _ in statement.parameters
    }


def _window(query: RunQuery) -> tuple[datetime, datetime]:
    """Between which fire times to look."""
    since, before = query.chosen.since or _FIRST, query.chosen.before or _LAST
    if query.after is None or query.after.at is None:
        return since, before
    # The keyset tells which partitions can hold what is behind it.
    if query.order is Order.DESC:
        return since, min(before, query.after.at + _SLACK)
    return max(since, query.after.at - _SLACK), before


def _keyset(query: RunQuery, row: asyncpg.Record) -> Keyset:
    return Keyset(at=row["scheduled_for"], id=row["id"] if query.by_id else row["generation"])
