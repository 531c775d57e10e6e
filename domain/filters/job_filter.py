"""Which jobs a list shows, and in which order."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from msgspec import Struct

from domain.errors import Invalid
from domain.filters.filters import Asked, Filter, each_once, without_nul
from domain.filters.search_index import LEAST_PREFIX_BYTES, host_of, words_of
from domain.jobs.job import JobState


class JobSort(StrEnum):
    """What jobs are sorted by."""

    CREATED = "created"
    UPDATED = "updated"
    NEXT_FIRE = "next_fire"
    """Those that will not fire come last in either order."""
    LAST_RUN = "last_run"
    """The fire time of the latest run, newest first; those that never ran come last."""


class Order(StrEnum):
    """Which end of a list comes first."""

    ASC = "asc"
    DESC = "desc"


MOST_TAGS, LONGEST_TAG, MOST_WORDS = 20, 64, 5


def tags_asked_for(tags: list[str]) -> tuple[str, ...]:
    """The tags of a filter.

    Raises:
        Invalid: When no job can have one of them.
    """
    for tag in tags:
        without_nul(tag)
        if not 1 <= len(tag) <= LONGEST_TAG:
            raise Invalid(f"A tag has 1 to {LONGEST_TAG} characters.")
    return each_once(tags)


def _host(host: str) -> str:
    return host_of(f"http://{without_nul(host)}/")


def _words(search: str) -> tuple[str, ...]:
    words = each_once(words_of(search))
    if not 1 <= len(words) <= MOST_WORDS:
        raise Invalid(f"Give 1 to {MOST_WORDS} words, of letters or digits.")
    return words


class JobFilter(Filter, frozen=True, kw_only=True):
    """Which jobs a list shows.

    Attributes:
        states: One of them must match, if there are any.
        tags: All of them must match.
        next_fire_after: The earliest next fire time.
        next_fire_before: The first instant behind the window.
        words: Each must begin a word of the name, the description or a tag.
    """

    first_fields = frozenset(
        {"tags", "name_prefix", "target_host", "next_fire_after", "next_fire_before", "words"}
    )

    states: Annotated[
        tuple[JobState, ...],
        Asked(
            name="state",
            told="As jobs show it; may be repeated",
            most=len(JobState),
            read=each_once,
            moves=True,
        ),
    ] = ()
    tags: Annotated[
        tuple[str, ...],
        Asked(
            name="tag",
            told="May be repeated: all tags must match",
            most=MOST_TAGS,
            read=tags_asked_for,
        ),
    ] = ()
    name_prefix: Annotated[
        str | None,
        Asked(told="How the name begins, case matters", longest=200, read=without_nul),
    ] = None
    target_host: Annotated[
        str | None,
        Asked(told="Host of an HTTP target's URL", longest=253, read=_host),
    ] = None
    next_fire_after: Annotated[
        datetime | None, Asked(told="Next fire times from here on, RFC 3339", moves=True)
    ] = None
    next_fire_before: Annotated[
        datetime | None, Asked(told="Next fire times before this, RFC 3339", moves=True)
    ] = None
    words: Annotated[
        tuple[str, ...],
        Asked(
            name="search",
            kind=str,
            told=f"1 to {MOST_WORDS} words, each of which begins a word of the name, the"
            f" description or a tag; one of less than {LEAST_PREFIX_BYTES} bytes is such a word",
            longest=200,
            read=_words,
        ),
    ] = ()


class JobOrder(Struct, frozen=True, kw_only=True):
    """How a list is sorted; without an order, as people look for it: newest or soonest first."""

    sort: JobSort = JobSort.CREATED
    order: Order | None = None

    @property
    def descending(self) -> bool:
        """Whether the greatest comes first."""
        if self.order is None:
            return self.sort is not JobSort.NEXT_FIRE
        return self.order is Order.DESC

    @property
    def moves(self) -> bool:
        """Whether jobs change places without anybody changing them."""
        return self.sort in (JobSort.NEXT_FIRE, JobSort.LAST_RUN)
