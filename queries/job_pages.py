"""Pages of jobs by filter and order: what is read for one is bounded, whatever the filter.

A page first looks at some rows in the list's order. If too few of them fit, an index is asked for
all that do; if it names more than can be sorted at once, the page goes on looking, and may end
before it is full.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import asyncpg
from msgspec import Struct

from domain.job_filter import JobFilter, JobOrder, JobSort
from domain.place import Place
from queries.job_parts import Parts
from queries.job_sources import CANDIDATES, Source, by_terms, sorted_by, sources_of
from queries.job_walks import walks_of
from storage.encoded_jobs import JOB_MARKS
from storage.postgres import Driver

FIRST_LOOK, LONG_LOOK = 256, 2_048
_SHORT_PAGE = 60

# Rows that fit; where too few do, behind them the last row looked at, if there are more. Each job
# is looked up by its key: OFFSET 0 leaves the planner nothing else.
_WALK = """
WITH looked AS MATERIALIZED ({walk}
), page AS MATERIALIZED (
    SELECT id, at, place FROM looked WHERE fits LIMIT {wanted}
), shown AS (
    SELECT id AS listed, at, place, false AS ends FROM page
    UNION ALL
    (SELECT NULL, at, place, true FROM looked
    WHERE (SELECT count(*) FROM page) < {wanted} OFFSET {look} - 1 LIMIT 1)
)
SELECT * FROM shown LEFT JOIN LATERAL ({job}) AS job ON true
ORDER BY ends, {order}
"""
# Rows that fit; or, where the index names too many, a single row that ends the page.
_FIND = """
WITH found AS MATERIALIZED (
    SELECT id FROM ({source}) AS source LIMIT {most} + 1
), page AS MATERIALIZED (
    SELECT id, at FROM {candidates} CROSS JOIN LATERAL (
        SELECT {at} AS at, {fits} AS fits FROM jobs j
        WHERE j.service_id = {service} AND j.id = found.id OFFSET 0
    ) AS candidate
    WHERE (SELECT count(*) FROM found) <= {most} AND fits AND {begun}
    ORDER BY {order} LIMIT {wanted}
), shown AS (
    SELECT id AS place, at, false AS ends FROM page
    UNION ALL
    SELECT NULL, NULL, true WHERE (SELECT count(*) FROM found) > {most}
)
SELECT * FROM shown LEFT JOIN LATERAL ({job}) AS job ON true
ORDER BY ends, {last_order}
"""
_JOB = f"""
SELECT {JOB_MARKS} FROM jobs WHERE jobs.service_id = {{service}} AND jobs.id = {{job_id}} OFFSET 0
"""
# The list that is asked for most, and of which every row fits.
NEWEST = f"""
SELECT {JOB_MARKS} FROM jobs
WHERE service_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3
"""
_BEYOND_ALL = UUID(int=(1 << 128) - 1)
_ALL, _NEWEST_FIRST = JobFilter(), JobOrder()


class JobQuery(Struct, frozen=True, kw_only=True):
    """Attributes:
    limit: Rows on a page.
    after: Where the page before ended.
    """

    service_id: UUID
    chosen: JobFilter
    order: JobOrder
    limit: int
    after: Place | None
    now: datetime


class JobRows(Struct, frozen=True):
    """Attributes:
    rows: With `JOB_MARKS`.
    more: Where the next page begins, if there may be one.
    """

    rows: list[asyncpg.Record]
    more: Place | None


async def page_of_jobs(query: JobQuery, driver: Driver) -> JobRows:
    """A page. It may be short, even empty, and still not be the last."""
    if query.chosen == _ALL and query.order == _NEWEST_FIRST:
        return await _newest(query, driver)
    looked = await _walk(query, driver, _first_look(query))
    if looked.more is None or len(looked.rows) == query.limit:
        return looked
    for source in sources_of(query.chosen, query.order):
        if (found := await _find(query, driver, source)) is not None:
            return found
    return await _walk(query, driver, LONG_LOOK)


def _first_look(query: JobQuery) -> int:
    """At how many rows to look first: few kinds of statements, each of a known length."""
    look = FIRST_LOOK if query.limit <= _SHORT_PAGE else 4 * FIRST_LOOK
    # Where every row fits, no more are needed than are shown.
    every = query.chosen == _ALL and query.order.sort is not JobSort.LAST_RUN
    return max(look // 4, 1) if every else look


async def _newest(query: JobQuery, driver: Driver) -> JobRows:
    begin = _BEYOND_ALL if query.after is None else query.after.id
    rows = await driver.fetch(NEWEST, query.service_id, begin, query.limit + 1)
    if len(rows) <= query.limit:
        return JobRows(rows, None)
    shown = rows[: query.limit]
    return JobRows(shown, place_of(shown[-1]))


async def _walk(query: JobQuery, driver: Driver, look: int) -> JobRows:
    """Look at so many rows of each walk at most."""
    rows: list[asyncpg.Record] = []
    for number, walk in enumerate(walks := walks_of(query.chosen, query.order)):
        begin = query.after
        if number < len(walks) - 1 and begin is not None and begin.at is None:
            continue  # the page before went beyond it
        if number and begin is not None and begin.at is not None:
            begin = None
        parts = _parts(query)
        statement = _WALK.format(
            walk=walk.sql(parts, begin, look),
            look=look,
            wanted=parts.bound(query.limit + 1 - len(rows), "int"),
            job=_JOB.format(service=parts.service, job_id="listed"),
            order=walk.order,
        )
        got = _split(await driver.fetch(statement, *parts.bound.values))
        rows += got.rows
        if got.more is not None or len(rows) > query.limit:
            return _shown(rows, query.limit, got.more)
    return JobRows(rows, None)


async def _find(query: JobQuery, driver: Driver, source: Source) -> JobRows | None:
    """What an index knows to fit; None where that is too much to sort."""
    parts = _parts(query)
    by = sorted_by(query.order, parts, query.after)
    statement = _FIND.format(
        source=source(parts),
        most=CANDIDATES,
        candidates=by.candidates,
        at=by.at,
        fits=parts.job_fits(terms=source is not by_terms),
        begun=by.begun,
        order=by.order("id"),
        last_order=by.order("place"),
        wanted=parts.bound(query.limit + 1, "int"),
        service=parts.service,
        job=_JOB.format(service=parts.service, job_id="place"),
    )
    got = await driver.fetch(statement, *parts.bound.values)
    if got and got[-1]["ends"]:
        return None
    return _shown(got, query.limit, None)


def _parts(query: JobQuery) -> Parts:
    return Parts(query.service_id, query.chosen, query.now)


def _split(got: list[asyncpg.Record]) -> JobRows:
    """Take the row that ends a page off it."""
    if got and got[-1]["ends"]:
        return JobRows(got[:-1], place_of(got[-1]))
    return JobRows(got, None)


def _shown(rows: list[asyncpg.Record], limit: int, more: Place | None) -> JobRows:
    if len(rows) > limit:
        return JobRows(rows[:limit], place_of(rows[limit - 1]))
    return JobRows(rows, more)


def place_of(row: asyncpg.Record) -> Place:
    """Where the list goes on behind a row."""
    return Place(at=row.get("at"), id=row.get("place") or row["id"])
