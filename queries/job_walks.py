"""How each order of a list of jobs is walked.

A walk is SQL with the columns `id` (the job's), `at` and `place` (see Place) and `fits`. It looks
at so many rows, at most, that an index has in the list's order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from domain.job import JobState
from domain.job_filter import JobFilter, JobOrder, JobSort
from domain.place import Place
from queries.job_parts import Parts


class Walk(NamedTuple):
    """Attributes:
    sql: Makes the SQL; its arguments are the parts, where to begin, and at how many rows to look.
    order: What its rows are sorted by.
    """

    sql: Callable[[Parts, Place | None, int], str]
    order: str


def walks_of(chosen: JobFilter, order: JobOrder) -> list[Walk]:
    """The walks that make up a list, one behind the other."""
    match order.sort:
        case JobSort.CREATED:
            return [_created(descending=order.descending)]
        case JobSort.UPDATED:
            return [_updated(descending=order.descending)]
        case JobSort.LAST_RUN:
            return [_LAST_RUN, _NEVER_RUN]
    if chosen.states and JobState.ACTIVE not in chosen.states:
        return [_IDLE]
    fire = _fire(descending=order.descending)
    return [fire] if chosen.has_window or chosen.states == (JobState.ACTIVE,) else [fire, _IDLE]


def _created(*, descending: bool) -> Walk:
    direction, beyond = _words(descending=descending)

    def sql(parts: Parts, place: Place | None, look: int) -> str:
        # Only what is looked up is joined.
        of_listing = parts.has_terms and not parts.has_more
        table, alias = ("listings", "l") if of_listing else ("jobs", "j")
        where = [f"{alias}.service_id = {parts.service}", *_partial_index(parts.chosen.states)]
        if place is not None:
            where.append(f"{alias}.id {beyond} {parts.bound(place.id, 'uuid')}")
        fits = parts.listing_fits() if of_listing else parts.job_fits()
        return f"""
SELECT {alias}.id, NULL::timestamptz AS at, {alias}.id AS place, {fits} AS fits
FROM {table} {alias} WHERE {" AND ".join(where)}
ORDER BY {alias}.id {direction} LIMIT {look}"""

    return Walk(sql, f"place {direction}")


def _updated(*, descending: bool) -> Walk:
    direction, beyond = _words(descending=descending)

    def sql(parts: Parts, place: Place | None, look: int) -> str:
        where = [f"l.service_id = {parts.service}"]
        if place is not None:
            where.append(f"(l.updated_at, l.id) {beyond} {_bound(parts, place)}")
        return f"""
SELECT l.id, l.updated_at AS at, l.id AS place, {parts.listing_fits()} AS fits
FROM listings l WHERE {" AND ".join(where)}
ORDER BY l.updated_at {direction}, l.id {direction} LIMIT {look}"""

    return Walk(sql, f"at {direction}, place {direction}")


def _fire(*, descending: bool) -> Walk:
    """Jobs that will fire: by the index, and those with claimed fire times by their runs."""
    direction, beyond = _words(descending=descending)

    def sql(parts: Parts, place: Place | None, look: int) -> str:
        where = ["true", *parts.window("j.next_fire_for")]
        of_claimed = ["at IS NOT NULL", *parts.window("at")]
        if place is not None:
            where.append(f"(j.next_fire_for, j.id) {beyond} {_bound(parts, place)}")
            of_claimed.append(f"(at, id) {beyond} {_bound(parts, place)}")
        return f"""
SELECT id, at, id AS place, fits FROM (
    (SELECT j.id, j.next_fire_for AS at, {parts.job_fits()} AS fits FROM jobs j
    WHERE j.service_id = {parts.service} AND j.next_fire_for IS NOT NULL
        AND NOT {parts.pending} AND {" AND ".join(where)}
    ORDER BY j.next_fire_for {direction}, j.id {direction} LIMIT {look})
    UNION ALL
    SELECT id, at, fits FROM (
        SELECT job.* FROM ({parts.claimed()}) AS claimed CROSS JOIN LATERAL (
            SELECT j.id, {parts.next_fire} AS at, {parts.job_fits()} AS fits FROM jobs j
            WHERE j.service_id = {parts.service} AND j.id = claimed.id AND {parts.pending} OFFSET 0
        ) AS job
    ) AS pending WHERE {" AND ".join(of_claimed)}
) AS firing
ORDER BY at {direction}, id {direction} LIMIT {look}"""

    return Walk(sql, f"at {direction}, place {direction}")


def _idle(parts: Parts, place: Place | None, look: int) -> str:
    """Jobs that will not fire."""
    begun = "true" if place is None else f"j.id < {parts.bound(place.id, 'uuid')}"
    paused = "j.paused" if parts.chosen.states == (JobState.PAUSED,) else "true"
    return f"""
SELECT j.id, NULL::timestamptz AS at, j.id AS place, {parts.job_fits()} AS fits FROM jobs j
WHERE j.service_id = {parts.service} AND j.next_fire_for IS NULL AND NOT {parts.pending}
    AND {paused} AND {begun}
ORDER BY j.id DESC LIMIT {look}"""


def _last_run(parts: Parts, place: Place | None, look: int) -> str:
    """Runs, newest first, each that is the last of its job: a place is that of a run."""
    if place is None:
        begun = f"r.scheduled_for <= {parts.now} AND r.id < {parts.first_run_to_come}"
    else:
        at = parts.bound(place.at, "timestamptz")
        begun = f"r.scheduled_for <= {at} AND r.id < {parts.bound(place.id, 'uuid')}"
    return f"""
SELECT r.job_id AS id, r.scheduled_for AS at, r.id AS place,
    NOT EXISTS (
        SELECT FROM runs later
        WHERE later.service_id = {parts.service} AND later.job_id = r.job_id
            AND later.scheduled_for >= r.scheduled_for AND later.scheduled_for <= {parts.now}
            AND (later.scheduled_for, later.generation) > (r.scheduled_for, r.generation)
    ) AND {parts.id_fits("r.job_id")} AS fits
FROM runs r WHERE r.service_id = {parts.service} AND {begun}
ORDER BY r.id DESC LIMIT {look}"""


def _never_run(parts: Parts, place: Place | None, look: int) -> str:
    """Jobs without a run so far."""
    begun = "true" if place is None else f"j.id < {parts.bound(place.id, 'uuid')}"
    return f"""
SELECT j.id, NULL::timestamptz AS at, j.id AS place, NOT EXISTS (
    SELECT FROM runs r
    WHERE r.service_id = {parts.service} AND r.job_id = j.id AND r.scheduled_for <= {parts.now}
) AND {parts.job_fits()} AS fits
FROM jobs j WHERE j.service_id = {parts.service} AND {begun}
ORDER BY j.id DESC LIMIT {look}"""


_IDLE = Walk(_idle, "place DESC")
_LAST_RUN = Walk(_last_run, "place DESC")
_NEVER_RUN = Walk(_never_run, "place DESC")


def _partial_index(states: tuple[JobState, ...]) -> list[str]:
    """What makes an index that holds jobs in that state, and few others, the one to walk."""
    match states:
        case (JobState.PAUSED,):
            return ["j.paused"]
        case (JobState.COMPLETED,):
            return ["j.next_fire_for IS NULL"]
    return []


def _bound(parts: Parts, place: Place) -> str:
    return f"({parts.bound(place.at, 'timestamptz')}, {parts.bound(place.id, 'uuid')})"


def _words(*, descending: bool) -> tuple[str, str]:
    return ("DESC", "<") if descending else ("ASC", ">")
