"""How each order of a list of jobs is walked: here is what a `sort=` comes to.

A walk looks at so many rows, at most, that an index has in the list's order. It selects the columns
`id` (the job's), `at` and `row_id` (the list goes on behind them) and `fits`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from sqlalchemy import (
    Select,
    Uuid,
    and_,
    bindparam,
    cast,
    exists,
    literal_column,
    not_,
    null,
    select,
    true,
    tuple_,
    union_all,
)
from sqlalchemy.sql import ColumnCollection

from domain.filters.job_filter import JobOrder, JobSort
from domain.jobs.job import JobState
from queries.jobs.parts import (
    FIRST_RUN_TO_COME,
    JOB,
    LISTING,
    NEXT_FIRE,
    NOW,
    OF_SERVICE,
    PENDING,
    RUN,
    SERVICE_ID,
    Shape,
    claimed_jobs,
    id_fits,
    job_fits,
    listing_fits,
    window,
)
from queries.sql_parts import Clause, Order, alone, behind, directed, number
from storage.schema.columns import INSTANT
from storage.schema.tables import runs

Columns = ColumnCollection[str, Any]

AFTER_AT = bindparam("after_at", type_=INSTANT)
AFTER_ID = bindparam("after_id", type_=Uuid)
NO_INSTANT = cast(null(), INSTANT)


class Walk(NamedTuple):
    """Attributes:
    rows: The rows; its arguments are the shape, whether a page went before, and at how many rows
        to look.
    order: What its rows are sorted by, of their columns.
    """

    rows: Callable[[Shape, bool, int], Select[Any]]
    order: Callable[[Columns], Order]


def walks_of(states: tuple[JobState, ...], order: JobOrder, *, in_window: bool) -> list[Walk]:
    """The walks that make up a list, one behind the other."""
    match order.sort:
        case JobSort.CREATED:
            return [_created(descending=order.descending)]
        case JobSort.UPDATED:
            return [_updated(descending=order.descending)]
        case JobSort.LAST_RUN:
            return [_LAST_RUN, _NEVER_RUN]
        case JobSort.NEXT_FIRE:
            return _by_next_fire(states, order, in_window=in_window)


def _by_next_fire(states: tuple[JobState, ...], order: JobOrder, *, in_window: bool) -> list[Walk]:
    if states and JobState.ACTIVE not in states:
        return [_IDLE]
    fire = _fire(descending=order.descending)
    return [fire] if in_window or states == (JobState.ACTIVE,) else [fire, _IDLE]


def _created(*, descending: bool) -> Walk:
    def rows(shape: Shape, begun: bool, look: int) -> Select[Any]:
        # Only what is looked up is joined.
        of_listing = shape.by_term and not shape.by_row
        table = LISTING if of_listing else JOB
        fits = listing_fits(shape) if of_listing else job_fits(shape)
        return (
            _looked(table.c.id, NO_INSTANT, table.c.id, fits)
            .where(table.c.service_id == SERVICE_ID, *_partial_index(shape.states))
            .where(_behind(begun, table.c.id, AFTER_ID, descending=descending))
            .order_by(*directed(table.c.id, descending=descending))
            .limit(number(look))
        )

    return Walk(rows, lambda c: directed(c.row_id, descending=descending))


def _updated(*, descending: bool) -> Walk:
    key = (LISTING.c.updated_at, LISTING.c.id)

    def rows(shape: Shape, begun: bool, look: int) -> Select[Any]:
        keyset = tuple_(AFTER_AT, AFTER_ID)
        return (
            _looked(LISTING.c.id, LISTING.c.updated_at, LISTING.c.id, listing_fits(shape))
            .where(LISTING.c.service_id == SERVICE_ID)
            .where(_behind(begun, tuple_(*key), keyset, descending=descending))
            .order_by(*directed(*key, descending=descending))
            .limit(number(look))
        )

    return Walk(rows, lambda c: directed(c.at, c.row_id, descending=descending))


def _fire(*, descending: bool) -> Walk:
    """Jobs that will fire: by the index, and those with claimed fire times by their runs."""

    def rows(shape: Shape, begun: bool, look: int) -> Select[Any]:
        keyset, key = tuple_(AFTER_AT, AFTER_ID), (JOB.c.next_fire_for, JOB.c.id)
        by_index = (
            select(JOB.c.id, JOB.c.next_fire_for.label("at"), job_fits(shape).label("fits"))
            .where(OF_SERVICE, JOB.c.next_fire_for.is_not(None), not_(PENDING))
            .where(*window(shape, JOB.c.next_fire_for))
            .where(_behind(begun, tuple_(*key), keyset, descending=descending))
            .order_by(*directed(*key, descending=descending))
            .limit(number(look))
        )
        claimed = claimed_jobs().subquery("claimed")
        job = alone(
            select(JOB.c.id, NEXT_FIRE.label("at"), job_fits(shape).label("fits")).where(
                OF_SERVICE, JOB.c.id == claimed.c.id, PENDING
            )
        ).lateral("job")
        pending = select(*job.c).select_from(claimed.join(job, true())).subquery("pending")
        of_claimed = (
            select(*pending.c)
            .where(pending.c.at.is_not(None), *window(shape, pending.c.at))
            .where(
                _behind(begun, tuple_(pending.c.at, pending.c.id), keyset, descending=descending)
            )
        )
        firing = union_all(by_index, of_claimed).subquery("firing")
        return (
            _looked(firing.c.id, firing.c.at, firing.c.id, firing.c.fits)
            .order_by(*directed(firing.c.at, firing.c.id, descending=descending))
            .limit(number(look))
        )

    return Walk(rows, lambda c: directed(c.at, c.row_id, descending=descending))


def _idle(shape: Shape, begun: bool, look: int) -> Select[Any]:
    """Jobs that will not fire."""
    paused = [JOB.c.paused] if shape.states == (JobState.PAUSED,) else []
    return (
        _looked(JOB.c.id, NO_INSTANT, JOB.c.id, job_fits(shape))
        .where(OF_SERVICE, JOB.c.next_fire_for.is_(None), not_(PENDING), *paused)
        .where(_behind(begun, JOB.c.id, AFTER_ID, descending=True))
        .order_by(JOB.c.id.desc())
        .limit(number(look))
    )


def _last_run(shape: Shape, begun: bool, look: int) -> Select[Any]:
    """Runs, newest first, each that is the last of its job: the list goes on behind a run."""
    later = runs.alias("later")
    is_last = not_(
        exists(literal_column("1"))
        .select_from(later)
        .where(
            later.c.service_id == SERVICE_ID,
            later.c.job_id == RUN.c.job_id,
            later.c.scheduled_for >= RUN.c.scheduled_for,
            later.c.scheduled_for <= NOW,
            tuple_(later.c.scheduled_for, later.c.generation)
            > tuple_(RUN.c.scheduled_for, RUN.c.generation),
        )
        .correlate(RUN)
    )
    fits = and_(is_last, id_fits(shape, RUN.c.job_id))
    up_to, before = (AFTER_AT, AFTER_ID) if begun else (NOW, FIRST_RUN_TO_COME)
    return (
        _looked(RUN.c.job_id, RUN.c.scheduled_for, RUN.c.id, fits)
        .where(RUN.c.service_id == SERVICE_ID)
        .where(RUN.c.scheduled_for <= up_to, RUN.c.id < before)
        .order_by(RUN.c.id.desc())
        .limit(number(look))
    )


def _never_run(shape: Shape, begun: bool, look: int) -> Select[Any]:
    """Jobs without a run so far."""
    has_run = (
        exists(literal_column("1"))
        .select_from(RUN)
        .where(RUN.c.service_id == SERVICE_ID, RUN.c.job_id == JOB.c.id, RUN.c.scheduled_for <= NOW)
        .correlate(JOB)
    )
    return (
        _looked(JOB.c.id, NO_INSTANT, JOB.c.id, and_(not_(has_run), job_fits(shape)))
        .where(OF_SERVICE)
        .where(_behind(begun, JOB.c.id, AFTER_ID, descending=True))
        .order_by(JOB.c.id.desc())
        .limit(number(look))
    )


_IDLE = Walk(_idle, lambda c: (c.row_id.desc(),))
_LAST_RUN = Walk(_last_run, lambda c: (c.row_id.desc(),))
_NEVER_RUN = Walk(_never_run, lambda c: (c.row_id.desc(),))


def _looked(job_id: Any, at: Any, row_id: Any, fits: Clause) -> Select[Any]:
    return select(job_id.label("id"), at.label("at"), row_id.label("row_id"), fits.label("fits"))


def _behind(begun: bool, columns: Any, keyset: Any, *, descending: bool) -> Clause:
    return behind(columns, keyset, descending=descending) if begun else true()


def _partial_index(states: tuple[JobState, ...]) -> list[Clause]:
    """What makes an index that holds jobs in that state, and few others, the one to walk."""
    match states:
        case (JobState.PAUSED,):
            return [JOB.c.paused]
        case (JobState.COMPLETED,):
            return [JOB.c.next_fire_for.is_(None)]
    return []
