"""What finds all jobs that may fit a filter, each by an index; and how those are sorted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from domain.job import JobState
from domain.job_filter import JobFilter, JobOrder, JobSort
from domain.place import Place
from queries.job_parts import Parts

CANDIDATES = 2_000
"""So many jobs are read and sorted at once."""

Source = Callable[[Parts], str]
"""Makes SQL that answers ids."""


def sources_of(chosen: JobFilter, order: JobOrder) -> Iterator[Source]:
    """Those that serve a filter; none where it would take long to learn what to sort by."""
    if order.sort is JobSort.LAST_RUN:
        return
    if chosen.has_terms:
        yield by_terms
    if chosen.has_window:
        yield _by_window
    if chosen.states:
        yield _in_states


class Sorted(NamedTuple):
    """How candidates are sorted.

    Attributes:
        at: What they are sorted by, beside their id.
        begun: Which of them are behind the page before.
        terms: What they are sorted by in SQL, with `{id}` for what their id is called.
        candidates: Where they come from; in order already, if the id alone tells it.
    """

    at: str
    begun: str
    terms: str
    candidates: str = "found"

    def order(self, job_id: str) -> str:
        """What they are sorted by."""
        return self.terms.format(id=job_id)


def sorted_by(order: JobOrder, parts: Parts, after: Place | None) -> Sorted:
    """How candidates are sorted, and which of them are behind a place."""
    direction, beyond = ("DESC", "<") if order.descending else ("ASC", ">")
    if order.sort is JobSort.CREATED:
        begun = "true" if after is None else f"id {beyond} {parts.bound(after.id, 'uuid')}"
        # Of what is sorted already, no more are looked up than are shown.
        found = f"(SELECT id FROM found ORDER BY id {direction}) AS found"
        return Sorted("NULL::timestamptz", begun, f"{{id}} {direction}", found)
    terms = f"at {direction}, {{id}} {direction}"
    if order.sort is JobSort.UPDATED:
        return Sorted("j.updated_at", _begun(parts, after, beyond), terms)
    begun = "true"
    if after is not None and after.at is None:
        begun = f"at IS NULL AND id < {parts.bound(after.id, 'uuid')}"
    elif after is not None:
        begun = f"(at IS NULL OR {_begun(parts, after, beyond)})"
    last = "CASE WHEN at IS NULL THEN {id} END DESC"
    terms = f"at {direction} NULLS LAST, {last}, {{id}} {direction}"
    return Sorted(parts.next_fire, begun, terms)


def _begun(parts: Parts, after: Place | None, beyond: str) -> str:
    if after is None:
        return "true"
    at, job_id = parts.bound(after.at, "timestamptz"), parts.bound(after.id, "uuid")
    return f"(at, id) {beyond} ({at}, {job_id})"


def by_terms(parts: Parts) -> str:
    """Those whose terms match."""
    # The terms alone: they tell the service, and no other index is to be taken for a better one.
    return f"""
SELECT id FROM (
    SELECT l.id, l.service_id FROM listings l WHERE {parts.terms_match} OFFSET 0
) AS matching WHERE service_id = {parts.service}"""


def _by_window(parts: Parts) -> str:
    where = ["j.next_fire_for IS NOT NULL", *parts.window("j.next_fire_for")]
    return f"""
(SELECT j.id FROM jobs j WHERE j.service_id = {parts.service} AND {" AND ".join(where)}
LIMIT {CANDIDATES + 1})
UNION {parts.claimed()}"""


def _in_states(parts: Parts) -> str:
    return " UNION ".join(f"({_OF_STATE[state](parts)})" for state in parts.chosen.states)


def _paused(parts: Parts) -> str:
    return f"SELECT j.id FROM jobs j WHERE j.service_id = {parts.service} AND j.paused"


def _completed(parts: Parts) -> str:
    return (
        f"SELECT j.id FROM jobs j"
        f" WHERE j.service_id = {parts.service} AND j.next_fire_for IS NULL AND NOT j.paused"
    )


_OF_STATE: dict[JobState, Source] = {
    JobState.PAUSED: _paused,
    JobState.COMPLETED: _completed,
    JobState.ACTIVE: _by_window,
}
