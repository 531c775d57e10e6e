"""What lists show of runs beside their rows: the job's name, and how the last attempt ended."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from msgspec import Struct
from sqlalchemy import Uuid, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on

from domain.runs.run import Run
from storage.postgres.pools import Driver
from storage.postgres.statements import Statement
from storage.schema.tables import attempts, jobs

_NAMES = Statement(
    select(jobs.c.id, jobs.c.name).where(
        jobs.c.service_id == bindparam("service_id"),
        jobs.c.id == any_(bindparam("job_ids", type_=ARRAY(Uuid))),
    )
)
# The window keeps the look within a few partitions.
_LAST_ATTEMPTS = Statement(
    select(attempts.c.run_id, attempts.c.status_code, attempts.c.error)
    .ext(distinct_on(attempts.c.run_id))
    .where(
        attempts.c.service_id == bindparam("service_id"),
        attempts.c.run_id == any_(bindparam("run_ids", type_=ARRAY(Uuid))),
        attempts.c.scheduled_for >= bindparam("first"),
        attempts.c.scheduled_for <= bindparam("last"),
    )
    .order_by(attempts.c.run_id, attempts.c.number.desc())
)


class RunDetails(Struct, frozen=True, kw_only=True):
    """Of one run.

    Attributes:
        job_name: As it is now; None once the job is deleted.
        status_code: What the last attempt that ended was answered.
        error: What went wrong in it.
    """

    job_name: str | None = None
    status_code: int | None = None
    error: str | None = None


async def details_of(
    runs: Sequence[Run], service_id: UUID, driver: Driver
) -> dict[UUID, RunDetails]:
    """What is told of each run, by its id."""
    if not runs:
        return {}
    named = await _NAMES.fetch(
        driver, service_id=service_id, job_ids=list({run.job_id for run in runs})
    )
    names = {row["id"]: row["name"] for row in named}
    tried = [run for run in runs if run.attempt_count]
    attempts = {}
    if tried:
        fire_times = [run.scheduled_for for run in tried]
        rows = await _LAST_ATTEMPTS.fetch(
            driver,
            service_id=service_id,
            run_ids=[run.id for run in tried],
            first=min(fire_times),
            last=max(fire_times),
        )
        attempts = {row["run_id"]: (row["status_code"], row["error"]) for row in rows}
    nothing = (None, None)
    return {
        run.id: RunDetails(
            job_name=names.get(run.job_id),
            status_code=attempts.get(run.id, nothing)[0],
            error=attempts.get(run.id, nothing)[1],
        )
        for run in runs
    }
