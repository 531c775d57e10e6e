"""Jobs and runs at random, as rows, and what a list of them should show by the plainest means."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import strategies as st
from msgspec import Struct

from domain.filters.job_filter import JobFilter, JobOrder, JobSort
from domain.filters.search_index import LEAST_PREFIX_BYTES, host_of, terms_of, words_of
from domain.ids import run_id
from domain.jobs.job import JobState, visible_state
from domain.targets.kinds.http import HttpTarget
from storage.jobs.rows import encode
from storage.postgres.pools import Driver

NOW = datetime.now(UTC).replace(microsecond=0)
SECOND = timedelta(seconds=1)
NAMES = ["nightly-report", "nightly_sync", "Nightly", "sync", "éclair", "it's 100%"]
DESCRIPTIONS = ["", "Sends the weekly report", "SYNC of invoices", "Straße"]
TAGS = ["billing", "team a", "report", "it's"]
HOSTS = ["a.example", "b.example:8443", "[::1]"]


class Stored(Struct, frozen=True, kw_only=True):
    """Attributes:
    runs: Fire times that have a run.
    """

    id: UUID
    name: str
    description: str
    tags: tuple[str, ...]
    host: str
    paused: bool
    next_fire_for: datetime | None
    claimed_for: tuple[datetime, ...]
    updated_at: datetime
    runs: tuple[datetime, ...]

    @property
    def visible(self) -> tuple[JobState, datetime | None]:
        return visible_state(
            paused=self.paused,
            next_fire_for=self.next_fire_for,
            claimed_for=list(self.claimed_for),
            now=NOW,
        )

    @property
    def last_run(self) -> tuple[datetime, UUID] | None:
        past = [instant for instant in self.runs if instant <= NOW]
        return (max(past), run_id(self.id, max(past))) if past else None


seconds = st.integers(-6, 6).map(lambda number: NOW + number * SECOND)


@st.composite
def stored_jobs(draw: st.DrawFn, number: int) -> Stored:
    """A job in any state; ids are in no order with anything else."""
    paused = draw(st.booleans())
    claimed = () if paused else tuple(sorted(draw(st.sets(seconds, max_size=3))))
    upcoming = None if paused else draw(st.none() | st.integers(7, 12))
    past = draw(st.sets(seconds, max_size=2))
    return Stored(
        id=UUID(int=(draw(st.integers(1, 1 << 40)) << 80) + number),
        name=draw(st.sampled_from(NAMES)),
        description=draw(st.sampled_from(DESCRIPTIONS)),
        tags=tuple(draw(st.lists(st.sampled_from(TAGS), unique=True, max_size=3))),
        host=draw(st.sampled_from(HOSTS)),
        paused=paused,
        next_fire_for=None if upcoming is None else NOW + upcoming * SECOND,
        claimed_for=claimed,
        updated_at=draw(seconds),
        # What is claimed has its run; there may be others, which were asked for by hand.
        runs=tuple(sorted({*claimed, *(instant for instant in past if instant <= NOW)})),
    )


@st.composite
def many_jobs(draw: st.DrawFn) -> list[Stored]:
    return [draw(stored_jobs(number)) for number in range(draw(st.integers(0, 25)))]


def _maybe(values: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.none() | st.none() | values


filters = st.builds(
    JobFilter,
    states=st.just(()) | st.lists(st.sampled_from(JobState), max_size=3, unique=True).map(tuple),
    tags=st.just(()) | st.lists(st.sampled_from(TAGS), unique=True, max_size=2).map(tuple),
    name_prefix=_maybe(st.sampled_from(["n", "nightly", "N", "nightly-report", "it's", "x"])),
    target_host=_maybe(st.sampled_from(HOSTS).map(lambda host: host_of(f"http://{host}/"))),
    next_fire_after=_maybe(st.integers(-1, 9).map(lambda number: NOW + number * SECOND)),
    next_fire_before=_maybe(st.integers(0, 12).map(lambda number: NOW + number * SECOND)),
    words=st.just(())
    | st.sampled_from([("report",), ("rep", "week"), ("strasse",), ("a",), ("re",), ("é",)]),
)


def expected(stored: Iterable[Stored], chosen: JobFilter, order: JobOrder) -> list[UUID]:
    """The whole list."""
    found = sorted((job for job in stored if _fits(job, chosen)), key=lambda job: job.id)
    match order.sort:
        case JobSort.CREATED:
            found.sort(key=lambda job: job.id, reverse=order.descending)
        case JobSort.UPDATED:
            found.sort(key=lambda job: (job.updated_at, job.id), reverse=order.descending)
        case JobSort.NEXT_FIRE:
            return _with_last([(job, job.visible[1]) for job in found], order.descending)
        case JobSort.LAST_RUN:
            # Of those that ran at the same instant, the order is that of the runs' ids.
            runs = [(job, job.last_run and job.last_run[1]) for job in found]
            return _with_last(runs, order.descending)
    return [job.id for job in found]


def _with_last(found: Sequence[tuple[Stored, object]], descending: bool) -> list[UUID]:
    by_key = sorted(((key, job.id) for job, key in found if key is not None), reverse=descending)
    without = sorted((job.id for job, key in found if key is None), reverse=True)
    return [job_id for _, job_id in by_key] + without


def _fits(job: Stored, chosen: JobFilter) -> bool:
    state, upcoming = job.visible
    words = {word for text in (job.name, job.description, *job.tags) for word in words_of(text)}
    return (
        (not chosen.states or state in chosen.states)
        and set(chosen.tags) <= set(job.tags)
        and job.name.startswith(chosen.name_prefix or "")
        and chosen.target_host in (None, host_of(f"http://{job.host}/"))
        and all(any(_begins(begin, word) for word in words) for begin in chosen.words)
        and (upcoming is not None or not {"next_fire_after", "next_fire_before"} & chosen.given)
        and (upcoming is None or _within(upcoming, chosen))
    )


def _begins(begin: str, word: str) -> bool:
    return word == begin if len(begin.encode()) < LEAST_PREFIX_BYTES else word.startswith(begin)


def _within(upcoming: datetime, chosen: JobFilter) -> bool:
    after, before = chosen.next_fire_after, chosen.next_fire_before
    return (after is None or upcoming >= after) and (before is None or upcoming < before)


async def store(driver: Driver, service_id: UUID, jobs: Sequence[Stored]) -> None:
    """Write the jobs, their listings and their runs."""
    for job in jobs:
        target = HttpTarget(url=f"http://{job.host}/x")
        await driver.execute(
            "INSERT INTO jobs (service_id, id, name, description, tags, schedule, target, retry,"
            " paused, next_fire_for, next_claim_at, accounted_to, claimed_for, version, created_at,"
            ' updated_at) VALUES ($1, $2, $3, $4, $5, \'{"accepted_at":1,"seed":1,"x":1}\','
            " $6, '{}', $7, $8, NULL, $9, $10, 1, $9, $9)",
            *(service_id, job.id, job.name, job.description, list(job.tags)),
            *(encode(target).decode(), job.paused, job.next_fire_for, job.updated_at),
            list(job.claimed_for),
        )
        terms = terms_of(
            service_id,
            name=job.name,
            description=job.description,
            tags=list(job.tags),
            target=target,
        )
        await driver.execute(
            "INSERT INTO listings VALUES ($1, $2, array_to_tsvector($3::text[]), $4)",
            *(service_id, job.id, terms, job.updated_at),
        )
        for instant in job.runs:
            await driver.execute(
                "INSERT INTO runs (service_id, job_id, scheduled_for, id, due_at, trigger, state,"
                " open, attempt_count) VALUES ($1, $2, $3, $4, $3, 'schedule', 'queued', true, 0)",
                *(service_id, job.id, instant, run_id(job.id, instant)),
            )
