"""What each filter of a list of jobs comes to in SQL: a clause for every field of JobFilter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Self

from sqlalchemy import (
    ColumnElement,
    Select,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    cast,
    false,
    func,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import TSQUERY

from domain.filters.job_filter import JobFilter
from domain.jobs.job import JobState
from queries.sql_parts import Clause
from storage.schema.columns import INSTANT
from storage.schema.tables import jobs, listings, runs

JOB, LISTING, RUN = jobs.alias("j"), listings.alias("l"), runs.alias("r")
SERVICE_ID = bindparam("service_id", type_=Uuid)
NOW = bindparam("now", type_=INSTANT)
FIRST_RUN_TO_COME = bindparam("first_run_to_come", type_=Uuid)
"""A bound below the ids of all runs whose fire time is yet to come."""
OF_SERVICE: Clause = JOB.c.service_id == SERVICE_ID

# Claimed fire times that are yet to come are still "next": domain.jobs.job.visible_state in SQL.
PENDING: Clause = (JOB.c.claimed_for[func.cardinality(JOB.c.claimed_for)] > NOW).is_(true())
_CLAIMED = func.unnest(JOB.c.claimed_for).column_valued("claimed_time")
NEXT_FIRE: ColumnElement[Any] = case(
    (
        not_(JOB.c.paused),
        func.coalesce(
            select(func.min(_CLAIMED)).where(_CLAIMED > NOW).scalar_subquery(),
            JOB.c.next_fire_for,
        ),
    )
)
TERMS_MATCH: Clause = LISTING.c.terms.bool_op("@@")(cast(bindparam("terms", type_=Text), TSQUERY))

BY_TERM = frozenset({"tags", "name_prefix", "target_host", "words"})
"""Fields that are terms of the one index (domain.filters.search_index)."""
_IN_STATE: dict[JobState, Clause] = {
    JobState.PAUSED: JOB.c.paused,
    JobState.ACTIVE: and_(not_(JOB.c.paused), or_(JOB.c.next_fire_for.is_not(None), PENDING)),
    JobState.COMPLETED: and_(not_(JOB.c.paused), JOB.c.next_fire_for.is_(None), not_(PENDING)),
}


class Shape(NamedTuple):
    """What lists share that differ in values alone: lists of one shape are one statement.

    Attributes:
        by_term: Whether jobs are chosen by their terms.
        row_fields: Fields of the filter that only a job's own row tells.
        states: The states that are asked for; each set of them is a statement of its own.
    """

    by_term: bool
    row_fields: tuple[str, ...]
    states: tuple[JobState, ...]

    @classmethod
    def of(cls, chosen: JobFilter) -> Self:
        given = chosen.given
        return cls(not BY_TERM.isdisjoint(given), tuple(sorted(given - BY_TERM)), chosen.states)

    @property
    def by_row(self) -> bool:
        """Whether jobs are chosen by what only their own row tells."""
        return bool(self.row_fields)

    @property
    def by_window(self) -> bool:
        """Whether the next fire time is bounded."""
        return not WINDOW.keys().isdisjoint(self.row_fields)


def _in_states(shape: Shape) -> Clause:
    return or_(*(_IN_STATE[state] for state in shape.states))


WINDOW: dict[str, Callable[[ColumnElement[Any]], Clause]] = {
    "next_fire_after": lambda at: at >= bindparam("next_fire_after", type_=INSTANT),
    "next_fire_before": lambda at: at < bindparam("next_fire_before", type_=INSTANT),
}
"""The bounds of the next fire time, which several columns hold."""
BY_ROW: dict[str, Callable[[Shape], Clause]] = {
    "states": _in_states,
    "next_fire_after": lambda _: WINDOW["next_fire_after"](NEXT_FIRE),
    "next_fire_before": lambda _: WINDOW["next_fire_before"](NEXT_FIRE),
}
"""Clauses about the row of job `j`. The value of a field is the parameter of its name."""


def window(shape: Shape, column: ColumnElement[Any]) -> list[Clause]:
    """The bounds of the next fire time, of a column that holds it."""
    return [bound(column) for name, bound in WINDOW.items() if name in shape.row_fields]


def job_fits(shape: Shape, *, terms: bool = True) -> Clause:
    """Whether job `j` fits; without its terms, if those are known to match."""
    return and_(true(), *_of_row(shape), *(_terms_of(shape, JOB.c.id) if terms else ()))


def listing_fits(shape: Shape) -> Clause:
    """Whether the job of listing `l` fits."""
    of_listing = [TERMS_MATCH] if shape.by_term else []
    return and_(true(), *of_listing, *([_job_of(shape, LISTING.c.id)] if shape.by_row else []))


def id_fits(shape: Shape, job_id: ColumnElement[Any]) -> Clause:
    """Whether there is a job of that id, and it fits."""
    return and_(_job_of(shape, job_id), *_terms_of(shape, job_id))


def claimed_jobs() -> Select[Any]:
    """The ids of jobs that have fire times to come which are claimed already."""
    # Dispatchers claim some seconds ahead, never so far as this looks.
    return (
        select(RUN.c.job_id.label("id"))
        .distinct()
        .where(
            RUN.c.service_id == SERVICE_ID,
            RUN.c.id >= bindparam("first_run_now", type_=Uuid),
            RUN.c.id < bindparam("first_run_far", type_=Uuid),
            RUN.c.scheduled_for > NOW,
            RUN.c.scheduled_for < bindparam("far", type_=INSTANT),
        )
    )


def _of_row(shape: Shape) -> Iterator[Clause]:
    return (BY_ROW[name](shape) for name in shape.row_fields)


def _job_of(shape: Shape, job_id: ColumnElement[Any]) -> Clause:
    fits = select(and_(true(), *_of_row(shape))).where(OF_SERVICE, JOB.c.id == job_id)
    return func.coalesce(fits.select_from(JOB).scalar_subquery(), false())


def _terms_of(shape: Shape, job_id: ColumnElement[Any]) -> Iterator[Clause]:
    if shape.by_term:
        of_job = (LISTING.c.service_id == SERVICE_ID, LISTING.c.id == job_id)
        yield select(TERMS_MATCH).where(*of_job).scalar_subquery()
