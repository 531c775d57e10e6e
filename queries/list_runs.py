"""A job's runs, newest first."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec import Struct
from sqlalchemy import exists, select

from domain.caller import Caller
from domain.errors import NotFound
from domain.run import Run
from storage.runs import RUN_COLUMNS, run_of
from storage.shards import Shards
from storage.tables import jobs, runs


class ListRuns(Struct, frozen=True, kw_only=True):
    """Attributes:
    before: Fire time of the last run of the page before.
    """

    caller: Caller
    job_id: UUID
    limit: int
    before: datetime | None


async def list_runs(query: ListRuns, shards: Shards) -> list[Run]:
    """At most `limit` runs.

    Raises:
        NotFound: When the service has no such job.
    """
    service_id = query.caller.service_id
    statement = (
        select(*RUN_COLUMNS)
        .where(runs.c.service_id == service_id, runs.c.job_id == query.job_id)
        .order_by(runs.c.scheduled_for.desc())
        .limit(query.limit)
    )
    if query.before is not None:
        statement = statement.where(runs.c.scheduled_for < query.before)
    known = select(exists().where(jobs.c.service_id == service_id, jobs.c.id == query.job_id))
    async with shards.of(service_id).reading(service_id) as connection:
        rows = (await connection.execute(statement)).all()
        if not rows and not await connection.scalar(known):
            raise NotFound(f"There is no job {query.job_id}.")
    return [run_of(row) for row in rows]
