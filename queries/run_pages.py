"""Pages of runs by filter and order: a page looks at so many runs at most, whatever the filter.

So a page may be short, even empty, and still not be the last. States and triggers that are rare
have an index of their own, which is looked through instead of all runs.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
from msgspec import Struct

from domain.ids import first_run_id
from domain.job_filter import Order
from domain.place import Place
from domain.run import Run, RunState, Trigger
from domain.run_filter import RunFilter
from queries.run_told import Told, told_of
from storage.bound import Bound
from storage.postgres import Driver
from storage.runs import RUN_COLUMNS, SHOWN_COLUMNS, run_of

LOOK = 2_000

# Runs that fit; where too few do, behind them the last run looked at, if there are more.
_PAGE = """
WITH looked AS MATERIALIZED ({walk}
), page AS MATERIALIZED (
    SELECT {columns} FROM looked WHERE fits LIMIT {wanted}
)
SELECT *, false AS ends FROM page
UNION ALL
(SELECT {columns}, true FROM looked
WHERE (SELECT count(*) FROM page) < {wanted} OFFSET {look} - 1 LIMIT 1)
ORDER BY ends, {order}
"""
_LAST_STATUS = """(
    SELECT status_code FROM attempts
    WHERE attempts.service_id = runs.service_id AND attempts.run_id = runs.id
        AND attempts.scheduled_for = runs.scheduled_for
    ORDER BY number DESC LIMIT 1
)"""
_TAGGED = """EXISTS (
    SELECT FROM jobs
    WHERE jobs.service_id = runs.service_id AND jobs.id = runs.job_id AND jobs.tags @> {tags}
    OFFSET 0
)"""
_SLACK = timedelta(milliseconds=2)
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC) - 2 * _SLACK
_RARE = {
    RunState.FAILED: "failed",
    RunState.CANCELLED: "let_go",
    RunState.SKIPPED_OVERLAP: "let_go",
    RunState.SCHEDULED: "open",
    RunState.QUEUED: "open",
    RunState.RUNNING: "open",
    RunState.RETRYING: "open",
}
"""What an index of few runs holds."""


class RunQuery(Struct, frozen=True, kw_only=True):
    """Attributes:
    limit: Rows on a page.
    after: Where the page before ended.
    """

    service_id: UUID
    chosen: RunFilter
    order: Order
    limit: int
    after: Place | None

    @property
    def by_id(self) -> bool:
        """Whether runs are known by their ids in this list, or within their job."""
        return self.chosen.job_id is None or self.rare is not None

    @property
    def costly(self) -> bool:
        """Whether more is looked at than is shown."""
        chosen = self.chosen
        by_trigger = chosen.trigger is not None or chosen.backfill_id is not None
        return by_trigger or bool(chosen.states or chosen.status_codes or chosen.tags)

    @property
    def rare(self) -> str | None:
        """The condition of an index that holds what is looked for, and few others."""
        indexes = {_RARE.get(state) for state in self.chosen.states}
        if len(indexes) == 1 and (index := indexes.pop()) is not None:
            return index
        if self.chosen.backfill_id or self.chosen.trigger not in (None, Trigger.SCHEDULE):
            return "trigger <> 'schedule'"
        return None


class RunPage(Struct, frozen=True):
    """Attributes:
    told: What lists tell beside, by the run's id.
    more: Where the next page begins, if there may be one.
    """

    runs: list[Run]
    told: dict[UUID, Told]
    more: Place | None


async def page_of_runs(query: RunQuery, driver: Driver) -> RunPage:
    """A page, by fire time."""
    bound = Bound()
    statement = _PAGE.format(
        columns=RUN_COLUMNS,
        walk=_walk(query, bound),
        wanted=bound(query.limit + 1, "int"),
        look=LOOK,
        order=_order(query),
    )
    rows = await driver.fetch(statement, *bound.values)
    ends = bool(rows) and rows[-1]["ends"]
    shown = (rows[:-1] if ends else rows)[: query.limit]
    more = rows[-1] if ends else shown[-1] if len(rows) > query.limit else None
    runs = [run_of(row) for row in shown]
    told = await told_of(runs, query.service_id, driver)
    return RunPage(runs, told, None if more is None else _place(query, more))


def _walk(query: RunQuery, bound: Bound) -> str:
    where = [f"service_id = {bound(query.service_id, 'uuid')}", *_window(query, bound)]
    if not query.by_id:
        where.append(f"job_id = {bound(query.chosen.job_id, 'uuid')}")
    if query.rare is not None:
        where.append(query.rare)
    if query.after is not None:
        where.append(_behind(query, query.after, bound))
    return f"""
SELECT {SHOWN_COLUMNS}, {_fits(query, bound)} AS fits FROM runs
WHERE {" AND ".join(where)} ORDER BY {_order(query)} LIMIT {LOOK}"""


def _order(query: RunQuery) -> str:
    direction = "DESC" if query.order is Order.DESC else "ASC"
    if query.by_id:
        return f"id {direction}"
    return f"scheduled_for {direction}, generation {direction}"


def _window(query: RunQuery, bound: Bound) -> list[str]:
    """The bounds of the fire time, always both: a statement with its plans of all partitions is
    large, and there are to be few of them.
    """
    since, before = query.chosen.since or _FIRST, query.chosen.before or _LAST
    if query.after is not None and query.after.at is not None:
        # The place tells which partitions can hold what is behind it.
        if query.order is Order.DESC:
            before = min(before, query.after.at + _SLACK)
        else:
            since = max(since, query.after.at - _SLACK)
    where = [
        f"scheduled_for >= {bound(since, 'timestamptz')}",
        f"scheduled_for < {bound(before, 'timestamptz')}",
    ]
    if query.by_id:
        # What is of one millisecond may have ids in any order.
        end = UUID(int=first_run_id(before).int + (1 << 80))
        where.append(f"id >= {bound(first_run_id(since), 'uuid')}")
        where.append(f"id < {bound(end, 'uuid')}")
    return where


def _behind(query: RunQuery, after: Place, bound: Bound) -> str:
    beyond = "<" if query.order is Order.DESC else ">"
    if query.by_id:
        return f"id {beyond} {bound(after.id, 'uuid')}"
    at, number = bound(after.at, "timestamptz"), bound(after.id, "smallint")
    return f"(scheduled_for, generation) {beyond} ({at}, {number})"


def _fits(query: RunQuery, bound: Bound) -> str:
    chosen = query.chosen
    states, trigger = bound(chosen.states or None, "text[]"), bound(chosen.trigger, "text")
    job_id = bound(chosen.job_id if query.by_id else None, "uuid")
    fits = [
        f"({states} IS NULL OR state = ANY ({states}))",
        f"({trigger} IS NULL OR trigger = {trigger})",
        f"({job_id} IS NULL OR job_id = {job_id})",
    ]
    # Seldom asked for, and costly even to plan.
    if chosen.backfill_id is not None:
        fits.append(f"backfill_id IS NOT DISTINCT FROM {bound(chosen.backfill_id, 'uuid')}")
    if chosen.status_codes:
        codes = bound(chosen.status_codes, "smallint[]")
        fits.append(f"coalesce({_LAST_STATUS} = ANY ({codes}), false)")
    if chosen.tags:
        fits.append(_TAGGED.format(tags=bound(chosen.tags, "text[]")))
    return " AND ".join(fits)


def _place(query: RunQuery, row: asyncpg.Record) -> Place:
    return Place(at=row["scheduled_for"], id=row["id"] if query.by_id else row["generation"])
