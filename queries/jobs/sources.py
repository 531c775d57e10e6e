"""What finds all jobs that may fit a filter, each by an index; and how those are sorted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    SelectBase,
    and_,
    case,
    not_,
    or_,
    select,
    true,
    tuple_,
    union,
)

from domain.filters.job_filter import JobOrder, JobSort
from domain.jobs.job import JobState
from queries.jobs.parts import (
    JOB,
    LISTING,
    NEXT_FIRE,
    OF_SERVICE,
    SERVICE_ID,
    TERMS_MATCH,
    Shape,
    claimed_jobs,
    window,
)
from queries.jobs.walks import AFTER_AT, AFTER_ID, NO_INSTANT
from queries.sql_parts import Clause, Order, alone, behind, directed, number

Source = Callable[[Shape, int], SelectBase]
"""Selects ids of candidates, at most so many; they are sorted afterwards."""


def sources_of(shape: Shape, order: JobOrder) -> Iterator[Source]:
    """The sources for a filter; none for `last_run`, by which candidates are costly to sort."""
    if order.sort is JobSort.LAST_RUN:
        return
    if shape.by_term:
        yield by_terms
    if shape.by_window:
        yield _by_window
    if shape.states:
        yield _in_states


class Sorted(NamedTuple):
    """How candidates are sorted.

    Attributes:
        at: What they are sorted by, beside their id.
        begun: Which of them are behind the page before; its arguments are columns `at` and `id`.
        order: What they are sorted by; its arguments are the same.
        by_id: Whether the id alone tells their order.
    """

    at: ColumnElement[Any]
    begun: Callable[[Any, Any], Clause]
    order: Callable[[Any, Any], Order]
    by_id: bool = False

    def candidates(self, found: CTE, *, descending: bool) -> FromClause:
        """Where they come from; in order already, if their ids tell it."""
        if not self.by_id:
            return found
        # Of what is sorted already, no more are looked up than are shown.
        return select(found.c.id).order_by(*directed(found.c.id, descending=descending)).subquery()


def sorted_by(order: JobOrder, *, begun: bool, behind_all: bool) -> Sorted:
    """How candidates are sorted, and which of them are behind a keyset.

    Args:
        begun: Whether a page went before.
        behind_all: Whether it went beyond all that have what the list is sorted by.
    """
    down = order.descending

    def after(at: Any, job_id: Any) -> Clause:
        keyset = tuple_(AFTER_AT, AFTER_ID)
        return behind(tuple_(at, job_id), keyset, descending=down) if begun else true()

    match order.sort:
        case JobSort.CREATED:
            return Sorted(
                NO_INSTANT,
                lambda _, job_id: behind(job_id, AFTER_ID, descending=down) if begun else true(),
                lambda _, job_id: directed(job_id, descending=down),
                by_id=True,
            )
        case JobSort.UPDATED:
            return Sorted(
                JOB.c.updated_at,
                after,
                lambda at, job_id: directed(at, job_id, descending=down),
            )

    def behind_or_idle(at: Any, job_id: Any) -> Clause:
        if behind_all:
            return and_(at.is_(None), behind(job_id, AFTER_ID, descending=True))
        return or_(at.is_(None), after(at, job_id)) if begun else true()

    def idle_last(at: Any, job_id: Any) -> Order:
        (by_at, by_id) = directed(at, job_id, descending=down)
        return by_at.nulls_last(), case((at.is_(None), job_id)).desc(), by_id

    return Sorted(NEXT_FIRE, behind_or_idle, idle_last)


def by_terms(_: Shape, __: int) -> SelectBase:
    """Those whose terms match."""
    # The terms alone: they tell the service, and no other index is to be taken for a better one.
    matching = alone(select(LISTING.c.id, LISTING.c.service_id).where(TERMS_MATCH)).subquery()
    return select(matching.c.id).where(matching.c.service_id == SERVICE_ID)


def _by_window(shape: Shape, most: int) -> SelectBase:
    by_index = select(JOB.c.id).where(OF_SERVICE, JOB.c.next_fire_for.is_not(None))
    in_window = by_index.where(*window(shape, JOB.c.next_fire_for)).limit(number(most + 1))
    return union(in_window, claimed_jobs())


def _in_states(shape: Shape, most: int) -> SelectBase:
    return union(*(_OF_STATE[state](shape, most) for state in shape.states))


def _paused(_: Shape, __: int) -> SelectBase:
    return select(JOB.c.id).where(OF_SERVICE, JOB.c.paused)


def _completed(_: Shape, __: int) -> SelectBase:
    return select(JOB.c.id).where(OF_SERVICE, JOB.c.next_fire_for.is_(None), not_(JOB.c.paused))


_OF_STATE: dict[JobState, Source] = {
    JobState.PAUSED: _paused,
    JobState.COMPLETED: _completed,
    JobState.ACTIVE: _by_window,
}
