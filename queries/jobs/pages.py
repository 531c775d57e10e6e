"""Pages of jobs by filter and order: what is read for one is bounded, whatever the filter.

A page first looks at some rows in the list's order. If too few of them fit, an index is asked for
all that do; if it names more than can be sorted at once, the page goes on looking, and may end
before it is full.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

import asyncpg
from msgspec import Struct
from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Integer,
    Uuid,
    bindparam,
    cast,
    false,
    func,
    null,
    select,
    text,
    true,
    union_all,
)

from domain.filters.job_filter import JobFilter, JobOrder, JobSort
from domain.filters.keyset import Keyset
from domain.filters.search_index import terms_query
from domain.ids import first_run_id
from queries.jobs.parts import BY_TERM, JOB, SERVICE_ID, Shape, job_fits
from queries.jobs.sources import Source, by_terms, sorted_by, sources_of
from queries.jobs.walks import NO_INSTANT, walks_of
from queries.sql_parts import Order, alone, materialized, number
from storage.cache.encoded_jobs import JOB_MARKS
from storage.postgres.pools import Driver
from storage.postgres.statements import Statement
from storage.schema.tables import jobs

SHAPES = 1_000
"""Statements kept of each kind; what services ask for usually are some dozens."""
_CLAIMED_WITHIN = timedelta(minutes=1)
"""Dispatchers claim some seconds ahead, never so far."""
_SHORT_PAGE = 60
_BEYOND_ALL = UUID(int=(1 << 128) - 1)
_ALL, _NEWEST_FIRST = JobFilter(), JobOrder()
_WANTED = bindparam("wanted", type_=Integer)
_MARKS = select(text(JOB_MARKS)).select_from(jobs).where(jobs.c.service_id == SERVICE_ID)

NEWEST = Statement(
    _MARKS.where(jobs.c.id < bindparam("begin", type_=Uuid))
    .order_by(jobs.c.id.desc())
    .limit(bindparam("limit", type_=BigInteger))
)
"""The list that is asked for most, and of which every row fits."""


class Looks(Struct, frozen=True):
    """How far a page looks.

    Attributes:
        first: Rows in the list's order.
        candidates: So many jobs are read and sorted at once.
        last: Rows in the list's order, where there are more candidates.
    """

    first: int = 256
    candidates: int = 2_000
    last: int = 2_048


LOOKS = Looks()


class JobQuery(Struct, frozen=True, kw_only=True):
    """Attributes:
    limit: Rows on a page.
    after: Where the page before ended.
    """

    service_id: UUID
    chosen: JobFilter
    order: JobOrder
    limit: int
    after: Keyset | None
    now: datetime


class JobRows(Struct, frozen=True):
    """Attributes:
    rows: With `JOB_MARKS`.
    more: Where the next page begins, if there may be one.
    """

    rows: list[asyncpg.Record]
    more: Keyset | None


async def page_of_jobs(query: JobQuery, driver: Driver, looks: Looks = LOOKS) -> JobRows:
    """A page. It may be short, even empty, and still not be the last."""
    if query.chosen == _ALL and query.order == _NEWEST_FIRST:
        return await _newest(query, driver)
    shape = Shape.of(query.chosen)
    looked = await _walk(query, shape, driver, _first_look(query, looks.first))
    if looked.more is None or len(looked.rows) == query.limit:
        return looked
    for source in sources_of(shape, query.order):
        found = await _find(query, shape, driver, source, looks.candidates)
        if found is not None:
            return found
    return await _walk(query, shape, driver, looks.last)


def _first_look(query: JobQuery, first: int) -> int:
    """At how many rows to look first: few kinds of statements, each of a known length."""
    look = first if query.limit <= _SHORT_PAGE else 4 * first
    # Where every row fits, no more are needed than are shown.
    every = query.chosen == _ALL and query.order.sort is not JobSort.LAST_RUN
    return max(look // 4, 1) if every else look


async def _newest(query: JobQuery, driver: Driver) -> JobRows:
    begin = _BEYOND_ALL if query.after is None else query.after.id
    rows = await NEWEST.fetch(
        driver, service_id=query.service_id, begin=begin, limit=query.limit + 1
    )
    if len(rows) <= query.limit:
        return JobRows(rows, None)
    shown = rows[: query.limit]
    return JobRows(shown, keyset_of(shown[-1]))


async def _walk(query: JobQuery, shape: Shape, driver: Driver, look: int) -> JobRows:
    """Look at so many rows of each walk at most."""
    rows: list[asyncpg.Record] = []
    walks = walks_of(shape.states, query.order, in_window=shape.by_window)
    for nth in range(len(walks)):
        begin = query.after
        if nth < len(walks) - 1 and begin is not None and begin.at is None:
            continue  # the page before went beyond it
        if nth and begin is not None and begin.at is not None:
            begin = None
        statement = _walking(shape, query.order, nth, begin is not None, look)
        values = _values(query, statement, wanted=query.limit + 1 - len(rows))
        got = _split(await statement.fetch(driver, **values))
        rows += got.rows
        if got.more is not None or len(rows) > query.limit:
            return _shown(rows, query.limit, got.more)
    return JobRows(rows, None)


async def _find(
    query: JobQuery, shape: Shape, driver: Driver, source: Source, most: int
) -> JobRows | None:
    """What an index knows to fit; None where that is too much to sort."""
    begun = query.after is not None
    behind_all = query.after is not None and query.after.at is None
    statement = _finding(shape, query.order, source, begun, behind_all, most)
    got = await statement.fetch(driver, **_values(query, statement, wanted=query.limit + 1))
    if got and got[-1]["ends"]:
        return None
    return _shown(got, query.limit, None)


@lru_cache(SHAPES)
def _walking(shape: Shape, order: JobOrder, nth: int, begun: bool, look: int) -> Statement:
    """Rows that fit; if too few do, then the last row looked at, if there are more to look at."""
    walk = walks_of(shape.states, order, in_window=shape.by_window)[nth]
    looked = materialized(walk.rows(shape, begun, look), "looked")
    page = materialized(
        select(looked.c.id, looked.c.at, looked.c.row_id).where(looked.c.fits).limit(_WANTED),
        "page",
    )
    last = select(null(), looked.c.at, looked.c.row_id, true()).where(_count(page) < _WANTED)
    shown = union_all(
        select(page.c.id.label("listed"), page.c.at, page.c.row_id, false().label("ends")),
        last.offset(number(look - 1)).limit(number(1)),
    ).cte("shown")
    return _with_jobs(shown, shown.c.listed, walk.order(shown.c))


@lru_cache(SHAPES)
def _finding(  # noqa: PLR0917
    shape: Shape, order: JobOrder, source: Source, begun: bool, behind_all: bool, most: int
) -> Statement:
    """Rows that fit; or, where the index names too many, a single row that ends the page."""
    by = sorted_by(order, begun=begun, behind_all=behind_all)
    named = source(shape, most).subquery("named")
    found = materialized(select(named.c.id).limit(number(most + 1)), "found")
    candidates = by.candidates(found, descending=order.descending)
    candidate = alone(
        select(
            by.at.label("at"), job_fits(shape, terms=source is not by_terms).label("fits")
        ).where(JOB.c.service_id == SERVICE_ID, JOB.c.id == candidates.c.id)
    ).lateral("candidate")
    key = candidate.c.at, candidates.c.id
    page = materialized(
        select(candidates.c.id, candidate.c.at)
        .select_from(candidates.join(candidate, true()))
        .where(_count(found) <= number(most), candidate.c.fits)
        .where(by.begun(*key))
        .order_by(*by.order(*key))
        .limit(_WANTED),
        "page",
    )
    too_many = select(cast(null(), Uuid), NO_INSTANT, true()).where(_count(found) > number(most))
    shown = union_all(
        select(page.c.id.label("row_id"), page.c.at, false().label("ends")), too_many
    ).cte("shown")
    return _with_jobs(shown, shown.c.row_id, by.order(shown.c.at, shown.c.row_id))


def _with_jobs(shown: CTE, job_id: ColumnElement[Any], order: Order) -> Statement:
    """Rows with what tells whether their jobs look as they did; each is looked up by its key."""
    job = alone(_MARKS.where(jobs.c.id == job_id)).lateral("job")
    return Statement(
        select(shown, text("job.*"))
        .select_from(shown.outerjoin(job, true()))
        .order_by(shown.c.ends, *order)
    )


def _count(rows: CTE) -> ColumnElement[int]:
    return select(func.count()).select_from(rows).scalar_subquery()


_VALUES: dict[str, Callable[[JobQuery], object]] = {
    "service_id": lambda query: query.service_id,
    "now": lambda query: query.now,
    "terms": lambda query: terms_query(
        query.service_id, **{name: getattr(query.chosen, name) for name in BY_TERM}
    ),
    "after_at": lambda query: query.after and query.after.at,
    "after_id": lambda query: query.after and query.after.id,
    "first_run_now": lambda query: first_run_id(query.now),
    "first_run_far": lambda query: first_run_id(query.now + _CLAIMED_WITHIN),
    "first_run_to_come": lambda query: UUID(int=first_run_id(query.now).int + (1 << 80)),
    "far": lambda query: query.now + _CLAIMED_WITHIN,
}
"""What parameters stand for, beside those that are called like a field of the filter."""


def _values(query: JobQuery, statement: Statement, *, wanted: int) -> dict[str, Any]:
    names = [name for name, _, _ in statement.parameters if name != "wanted"]
    values = {
        name: _VALUES[name](query) if name in _VALUES else getattr(query.chosen, name)
        for name in names
    }
    return {**values, "wanted": wanted}


def _split(got: list[asyncpg.Record]) -> JobRows:
    """Take the row that ends a page off it."""
    if got and got[-1]["ends"]:
        return JobRows(got[:-1], keyset_of(got[-1]))
    return JobRows(got, None)


def _shown(rows: list[asyncpg.Record], limit: int, more: Keyset | None) -> JobRows:
    if len(rows) > limit:
        return JobRows(rows[:limit], keyset_of(rows[limit - 1]))
    return JobRows(rows, more)


def keyset_of(row: asyncpg.Record) -> Keyset:
    """Where the list goes on behind a row."""
    return Keyset(at=row.get("at"), id=row.get("row_id") or row["id"])
