"""The reads whose plans are shown: every list, search and look-up, with typical filters."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

from msgspec import Struct

from domain.access.caller import Caller
from domain.filters.job_filter import JobFilter, JobOrder, JobSort, Order
from domain.filters.keyset import Keyset
from domain.filters.run_filter import RunFilter
from domain.jobs.job import JobState
from domain.runs.run import RunState, Trigger
from queries.jobs.get_job import GetJob, get_job
from queries.jobs.list_jobs import ListJobs, list_jobs
from queries.runs.get_run import GetRun, get_run
from queries.runs.list_runs import list_runs
from queries.runs.list_service_runs import list_service_runs
from queries.runs.pages import RunQuery
from storage.cache.encoded_jobs import EncodedJobs
from storage.postgres.pools import Driver
from storage.shards import Shards

LIMIT = 50


class Subject(Struct, frozen=True, kw_only=True):
    """Whose reads are measured.

    Attributes:
        job_id: One of its jobs, which has runs.
        run_id: One of its runs.
        middle: A job in the middle of its list.
    """

    service_id: UUID
    job_id: UUID
    run_id: UUID
    middle: UUID
    now: datetime


class Direct:
    """Stands for the shards: reads go to one connection, and nothing is cached."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self.encoded_jobs = EncodedJobs()

    def of(self, _: UUID) -> Direct:
        """The only one."""
        return self

    async def read(
        self, _: UUID, question: Callable[[Driver], Awaitable[Any]], *, costly: bool = False
    ) -> Any:
        """What it answers."""
        return await question(self._driver)

    async def read_cached(
        self,
        _: UUID,
        __: str,
        ___: datetime,
        load: Callable[[Driver], Awaitable[Any]],
        *,
        costly: bool,
    ) -> Any:
        """What is loaded."""
        return await load(self._driver)


Read = Callable[[Driver, Subject], Awaitable[object]]


def _jobs(order: JobOrder | None = None, *, from_middle: bool = False, **chosen: Any) -> Read:
    async def read(driver: Driver, subject: Subject) -> object:
        # Instants are offsets from now.
        given: dict[str, Any] = {
            name: subject.now + value if isinstance(value, timedelta) else value
            for name, value in chosen.items()
        }
        query = ListJobs(
            service_id=subject.service_id,
            chosen=JobFilter(**given),
            order=order or JobOrder(),
            fields=(),
            limit=LIMIT,
            after=Keyset(at=None, id=subject.middle) if from_middle else None,
            now=subject.now,
            cursor_of=lambda place: None if place is None else place.id.hex,  # type: ignore[union-attr]
        )
        return await list_jobs(query, _shards(driver))

    return read


def _runs(order: Order = Order.DESC, *, of_job: bool = False, **chosen: Any) -> Read:
    async def read(driver: Driver, subject: Subject) -> object:
        given: dict[str, Any] = {
            name: subject.now + value if isinstance(value, timedelta) else value
            for name, value in chosen.items()
        }
        if of_job:
            given["job_id"] = subject.job_id
        query = RunQuery(
            service_id=subject.service_id,
            chosen=RunFilter(**given),
            order=order,
            limit=LIMIT,
            after=None,
        )
        return await (list_runs if of_job else list_service_runs)(query, _shards(driver))

    return read


async def _one_job(driver: Driver, subject: Subject) -> object:
    query = GetJob(service_id=subject.service_id, job_id=subject.job_id, now=subject.now)
    return await get_job(query, _shards(driver))


async def _one_run(driver: Driver, subject: Subject) -> object:
    query = GetRun(caller=_caller(subject), run_id=subject.run_id, now=subject.now)
    return await get_run(query, _shards(driver))


def _shards(driver: Driver) -> Shards:
    return cast("Shards", Direct(driver))


def _caller(subject: Subject) -> Caller:
    return Caller(service_id=subject.service_id, principal="", request_id="")


_UPDATED, _NEXT = JobOrder(sort=JobSort.UPDATED), JobOrder(sort=JobSort.NEXT_FIRE)
_LAST_RUN = JobOrder(sort=JobSort.LAST_RUN)
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
CASES: dict[str, Read] = {
    "GET /jobs/{id}": _one_job,
    "GET /runs/{id}": _one_run,
    "GET /jobs": _jobs(),
    "GET /jobs, from the middle": _jobs(from_middle=True),
    "GET /jobs?order=asc": _jobs(JobOrder(order=Order.ASC)),
    "GET /jobs?sort=updated": _jobs(_UPDATED),
    "GET /jobs?sort=next_fire": _jobs(_NEXT),
    "GET /jobs?sort=next_fire&order=desc": _jobs(
        JobOrder(sort=JobSort.NEXT_FIRE, order=Order.DESC)
    ),
    "GET /jobs?sort=last_run": _jobs(_LAST_RUN),
    "GET /jobs?state=active": _jobs(states=(JobState.ACTIVE,)),
    "GET /jobs?state=paused": _jobs(states=(JobState.PAUSED,)),
    "GET /jobs?state=completed&sort=updated": _jobs(_UPDATED, states=(JobState.COMPLETED,)),
    "GET /jobs?tag=(of a sixth)": _jobs(tags=("billing",)),
    "GET /jobs?tag=(of one in 200)": _jobs(tags=("customer-7",)),
    "GET /jobs?tag=(of none)": _jobs(tags=("nothing",)),
    "GET /jobs?tag=…&tag=…": _jobs(tags=("billing", "customer-7")),
    "GET /jobs?name_prefix=…": _jobs(name_prefix="send-report-eu-"),
    "GET /jobs?target_host=…": _jobs(target_host="report.eu7.example"),
    "GET /jobs?next_fire_after=…&next_fire_before=…": _jobs(
        next_fire_after=2 * _DAY + _HOUR, next_fire_before=2 * _DAY + 2 * _HOUR
    ),
    "GET /jobs?search=(two words)": _jobs(words=("finan", "payout")),
    "GET /jobs?search=(of none)": _jobs(words=("nothing", "payout")),
    "GET /jobs?search=…&state=paused&sort=next_fire": _jobs(
        _NEXT, words=("payout",), states=(JobState.PAUSED,)
    ),
    "GET /jobs?tag=…&state=active&sort=updated": _jobs(
        _UPDATED, tags=("customer-7",), states=(JobState.ACTIVE,)
    ),
    "GET /runs": _runs(),
    "GET /runs?order=asc": _runs(Order.ASC),
    "GET /runs?state=failed": _runs(states=(RunState.FAILED,)),
    "GET /runs?state=cancelled (none in the big service)": _runs(states=(RunState.CANCELLED,)),
    "GET /runs?state=running (none)": _runs(states=(RunState.RUNNING,)),
    "GET /runs?state=succeeded&trigger=manual": _runs(
        states=(RunState.SUCCEEDED,), trigger=Trigger.MANUAL
    ),
    "GET /runs?trigger=backfill (none)": _runs(trigger=Trigger.BACKFILL),
    "GET /runs?since=…&before=…": _runs(since=-10 * _DAY, before=-10 * _DAY + _HOUR),
    "GET /jobs/{id}/runs": _runs(of_job=True),
    "GET /jobs/{id}/runs?state=failed": _runs(of_job=True, states=(RunState.FAILED,)),
    "GET /jobs/{id}/runs?since=…": _runs(of_job=True, since=-3 * _DAY),
}


async def subject_of(driver: Driver, service_id: UUID) -> Subject:
    """Someone of that service to measure the reads of."""
    jobs = "SELECT id FROM jobs WHERE service_id = $1 ORDER BY id"
    of_service = await driver.fetch(jobs, service_id)
    run = await driver.fetchrow(
        "SELECT id, job_id FROM runs WHERE service_id = $1 ORDER BY id DESC LIMIT 1", service_id
    )
    if run is None:
        raise ValueError(f"Service {service_id} has no runs.")
    return Subject(
        service_id=service_id,
        job_id=run["job_id"],
        run_id=run["id"],
        middle=of_service[len(of_service) // 2]["id"],
        now=datetime.now(UTC),
    )
