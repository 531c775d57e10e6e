"""Parts of the SQL of lists of jobs. Aliases: `j` for jobs, `l` for listings, `r` for runs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

from domain.ids import first_run_id
from domain.job import JobState
from domain.job_filter import JobFilter
from domain.terms import terms_query
from storage.bound import Bound

_CLAIMED_WITHIN = timedelta(minutes=1)
"""Dispatchers claim some seconds ahead, never so far."""
# Fire times that are claimed and yet to come are still "next": domain.job.visible_state in SQL.
_PENDING = "(j.claimed_for[cardinality(j.claimed_for)] > {now}) IS TRUE"
_NEXT_FIRE = """CASE WHEN NOT j.paused THEN
    coalesce((SELECT min(claimed) FROM unnest(j.claimed_for) AS claimed WHERE claimed > {now}),
        j.next_fire_for)
END"""


class Parts:
    """What a filter comes to in one statement. Whatever is asked for must be used in it."""

    def __init__(self, service_id: UUID, chosen: JobFilter, now: datetime) -> None:
        self.bound = Bound()
        self.chosen = chosen
        self._service_id = service_id
        self._now = now
        self._query = terms_query(service_id, chosen)

    @property
    def has_terms(self) -> bool:
        """Whether jobs are chosen by their terms."""
        return self.chosen.has_terms

    @property
    def has_more(self) -> bool:
        """Whether jobs are chosen by what only their own row tells."""
        return self.chosen.moves

    @property
    def service(self) -> str:
        """The service's id."""
        return self.bound(self._service_id, "uuid")

    @property
    def now(self) -> str:
        """The instant of the list."""
        return self.bound(self._now, "timestamptz")

    @property
    def first_run_to_come(self) -> str:
        """What all ids of runs are above whose fire time is yet to come."""
        return self.bound(UUID(int=first_run_id(self._now).int + (1 << 80)), "uuid")

    @property
    def next_fire(self) -> str:
        """When job `j` fires next, as its service sees it."""
        return _NEXT_FIRE.format(now=self.now)

    @property
    def pending(self) -> str:
        """Whether job `j` has fire times to come that are claimed already."""
        return _PENDING.format(now=self.now)

    @property
    def terms_match(self) -> str:
        """Whether the terms of listing `l` do."""
        return f"l.terms @@ {self.bound(self._query, 'text')}::tsquery"

    def job_fits(self, *, terms: bool = True) -> str:
        """Whether job `j` fits; without its terms, if those are known to match."""
        return _all([*self._of_job(), *(self._terms_of("j.id") if terms else [])])

    def listing_fits(self) -> str:
        """Whether the job of listing `l` fits."""
        conditions = [self.terms_match] if self.has_terms else []
        if self.has_more:
            conditions.append(self._job_of("l.id"))
        return _all(conditions)

    def id_fits(self, job_id: str) -> str:
        """Whether there is a job of that id, and it fits."""
        return _all([self._job_of(job_id), *self._terms_of(job_id)])

    def window(self, column: str) -> list[str]:
        """The bounds of the next fire time."""
        bounds = []
        if (after := self.chosen.next_fire_after) is not None:
            bounds.append(f"{column} >= {self.bound(after, 'timestamptz')}")
        if (before := self.chosen.next_fire_before) is not None:
            bounds.append(f"{column} < {self.bound(before, 'timestamptz')}")
        return bounds

    def claimed(self) -> str:
        """The ids of jobs that have fire times to come which are claimed already."""
        far = self._now + _CLAIMED_WITHIN
        return f"""
SELECT DISTINCT r.job_id AS id FROM runs r
WHERE r.service_id = {self.service}
    AND r.id >= {self.bound(first_run_id(self._now), "uuid")}
    AND r.id < {self.bound(first_run_id(far), "uuid")}
    AND r.scheduled_for > {self.now} AND r.scheduled_for < {self.bound(far, "timestamptz")}"""

    def _of_job(self) -> Iterator[str]:
        if self.chosen.states:
            yield " OR ".join(f"({self._in_state(state)})" for state in self.chosen.states)
        if self.chosen.has_window:
            yield from self.window(self.next_fire)

    def _in_state(self, state: JobState) -> str:
        match state:
            case JobState.PAUSED:
                return "j.paused"
            case JobState.ACTIVE:
                return f"NOT j.paused AND (j.next_fire_for IS NOT NULL OR {self.pending})"
            case JobState.COMPLETED:
                return f"NOT j.paused AND j.next_fire_for IS NULL AND NOT {self.pending}"

    def _job_of(self, job_id: str) -> str:
        return f"""coalesce((
    SELECT {_all([*self._of_job()])} FROM jobs j
    WHERE j.service_id = {self.service} AND j.id = {job_id}), false)"""

    def _terms_of(self, job_id: str) -> list[str]:
        if not self.has_terms:
            return []
        of_listing = f"l.service_id = {self.service} AND l.id = {job_id}"
        return [f"(SELECT {self.terms_match} FROM listings l WHERE {of_listing})"]


def _all(conditions: list[str]) -> str:
    return " AND ".join(f"({condition})" for condition in conditions) or "true"
