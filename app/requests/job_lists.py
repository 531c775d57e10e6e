"""Lists of jobs as clients ask for them."""

from __future__ import annotations

from typing import Annotated

from litestar.params import QueryParameter

from app.responses.problems import BadParameter
from domain.filters.job_filter import JobOrder, JobSort, Order
from storage.documents.job import JobResource

DESCRIPTION = """
Filters narrow the list together. A page shows what it finds within a bounded look: it may be
short, even empty, and still have a `next_cursor` with which the list goes on. A cursor belongs to
the filters and the order that it was made for. Jobs that change places while you read, since they
fire or are changed, may be met where they are by then.
"""
_FIELDS = JobResource.__struct_fields__

Sort = Annotated[
    JobSort,
    QueryParameter(
        description="Newest first, `next_fire` soonest first. Jobs without a next fire time, or"
        " without a run, come last"
    ),
]
Direction = Annotated[
    Order | None, QueryParameter(description="The other way round; `last_run` has `desc` only")
]
Fields = Annotated[
    str | None,
    QueryParameter(max_length=500, description="Fields to show, separated by commas"),
]


def ordered_jobs(sort: JobSort, order: Order | None) -> JobOrder:
    """The order.

    Raises:
        BadParameter: When the list cannot be had that way round.
    """
    if sort is JobSort.LAST_RUN and order is Order.ASC:
        raise BadParameter("order", "Jobs are sorted by their last run newest first only.")
    asked = JobOrder(sort=sort, order=order)
    # The same list has one name.
    return JobOrder(sort=sort) if asked.descending == JobOrder(sort=sort).descending else asked


def chosen_fields(fields: str | None) -> tuple[str, ...]:
    """The fields to show, in the order in which jobs show them.

    Raises:
        BadParameter: When jobs have no such field.
    """
    if fields is None:
        return ()
    wanted = [field.strip() for field in fields.split(",")]
    for field in wanted:
        if field not in _FIELDS:
            known = ", ".join(_FIELDS)
            raise BadParameter("fields", f"There is no field {field!r}; there are {known}.")
    return tuple(field for field in _FIELDS if field in wanted)
