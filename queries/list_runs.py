"""A job's runs, newest first."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from msgspec import Struct

from domain.caller import Caller
from domain.errors import NotFound
from domain.run import Run
from storage.postgres import Driver
from storage.runs import RUN_COLUMNS, run_of
from storage.shards import Shards

LAST = (datetime.max.replace(tzinfo=UTC), 0)

_LIST = f"""
SELECT {RUN_COLUMNS} FROM runs
WHERE service_id = $1 AND job_id = $2 AND (scheduled_for, generation) < ($3, $4)
ORDER BY scheduled_for DESC, generation DESC LIMIT $5
"""
_KNOWN = "SELECT EXISTS (SELECT FROM jobs WHERE service_id = $1 AND id = $2)"


class ListRuns(Struct, frozen=True, kw_only=True):
    """Attributes:
    before: Fire time and generation of the last run of the page before.
    """

    caller: Caller
    job_id: UUID
    limit: int
    before: tuple[datetime, int] | None


async def list_runs(query: ListRuns, shards: Shards) -> list[Run]:
    """At most `limit` runs.

    Raises:
        NotFound: When the service has no such job.
    """
    service_id = query.caller.service_id

    async def ask(driver: Driver) -> list[Run]:
        rows = await driver.fetch(
            _LIST, service_id, query.job_id, *(query.before or LAST), query.limit
        )
        if not rows and not await driver.fetchval(_KNOWN, service_id, query.job_id):
            raise NotFound(f"There is no job {query.job_id}.")
        return [run_of(row) for row in rows]

    return await shards.of(service_id).read(service_id, ask)
