"""Lists of jobs as clients ask for them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from litestar.params import QueryParameter

from app.instants import utc_or_none
from app.problems import BadParameter
from domain.job import JobState
from domain.job_filter import JobFilter, JobOrder, JobSort, Order
from domain.terms import LEAST_PREFIX_BYTES, host_of, words_of
from storage.documents.job import JobResource

DESCRIPTION = """
Filters narrow the list together. A page shows what it finds within a bounded look: it may be
short, even empty, and still have a `next_cursor` with which the list goes on. A cursor belongs to
the filters and the order that it was made for. Jobs that change places while you read, since they
fire or are changed, may be met where they are by then.
"""
_MAX_TAGS, _MAX_TAG, _MAX_WORDS = 20, 64, 5
_FIELDS = JobResource.__struct_fields__

States = Annotated[
    list[JobState] | None,
    QueryParameter(name="state", max_items=3, description="As jobs show it; may be repeated"),
]
Tags = Annotated[
    list[str] | None,
    QueryParameter(max_items=_MAX_TAGS, description="May be repeated: all tags must match"),
]
NamePrefix = Annotated[
    str | None,
    QueryParameter(min_length=1, max_length=200, description="How the name begins, case matters"),
]
TargetHost = Annotated[
    str | None,
    QueryParameter(min_length=1, max_length=253, description="Host of an HTTP target's URL"),
]
NextFireAfter = Annotated[
    datetime | None, QueryParameter(description="Next fire times from here on, RFC 3339")
]
NextFireBefore = Annotated[
    datetime | None, QueryParameter(description="Next fire times before this, RFC 3339")
]
Search = Annotated[
    str | None,
    QueryParameter(
        min_length=1,
        max_length=200,
        description=f"1 to {_MAX_WORDS} words, each of which begins a word of the name, the"
        f" description or a tag; one of less than {LEAST_PREFIX_BYTES} bytes is such a word",
    ),
]
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


def chosen_jobs(
    *,
    states: list[JobState] | None,
    tag: list[str] | None,
    name_prefix: str | None,
    target_host: str | None,
    next_fire_after: datetime | None,
    next_fire_before: datetime | None,
    search: str | None,
) -> JobFilter:
    """The filter.

    Raises:
        BadParameter: When a value can match nothing, or makes no sense.
    """
    for name, value in (("name_prefix", name_prefix), ("target_host", target_host)):
        if "\0" in (value or ""):
            raise BadParameter(name, "The value must not hold a NUL.")
    return JobFilter(
        states=tuple(sorted(set(states or ()))),
        tags=tags_of(tag or []),
        name_prefix=name_prefix,
        target_host=None if target_host is None else host_of(f"http://{target_host}/"),
        next_fire_after=utc_or_none(next_fire_after, "next_fire_after"),
        next_fire_before=utc_or_none(next_fire_before, "next_fire_before"),
        words=() if search is None else _words(search),
    )


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


def tags_of(tags: list[str]) -> tuple[str, ...]:
    """The tags of a filter.

    Raises:
        BadParameter: When no job can have one of them.
    """
    if any("\0" in tag for tag in tags):
        raise BadParameter("tag", "The value must not hold a NUL.")
    if any(not 1 <= len(tag) <= _MAX_TAG for tag in tags):
        raise BadParameter("tag", f"A tag has 1 to {_MAX_TAG} characters.")
    return tuple(sorted(set(tags)))


def _words(search: str) -> tuple[str, ...]:
    words = tuple(sorted(set(words_of(search))))
    if not 1 <= len(words) <= _MAX_WORDS:
        raise BadParameter("search", f"Give 1 to {_MAX_WORDS} words, of letters or digits.")
    return words
