"""A job's backfills, newest first."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct

from domain.access.caller import Caller
from domain.errors import NotFound
from domain.ids import LAST_ID
from domain.jobs.backfill import Backfill
from storage.backfills import BACKFILL_COLUMNS, backfill_of
from storage.postgres import Driver
from storage.shards import Shards

_LIST = f"""
SELECT {BACKFILL_COLUMNS} FROM backfills
WHERE service_id = $1 AND job_id = $2 AND id < $3 ORDER BY id DESC LIMIT $4
"""
_KNOWN = "SELECT EXISTS (SELECT FROM jobs WHERE service_id = $1 AND id = $2)"


class ListBackfills(Struct, frozen=True, kw_only=True):
    """Attributes:
    before: The last backfill of the page before; ids sort by time.
    """

    caller: Caller
    job_id: UUID
    limit: int
    before: UUID | None


async def list_backfills(query: ListBackfills, shards: Shards) -> list[Backfill]:
    """At most `limit` backfills.

    Raises:
        NotFound: When the service has no such job.
    """
    service_id = query.caller.service_id

    async def ask(driver: Driver) -> list[Backfill]:
        rows = await driver.fetch(
            _LIST, service_id, query.job_id, query.before or LAST_ID, query.limit
        )
        if not rows and not await driver.fetchval(_KNOWN, service_id, query.job_id):
            raise NotFound(f"There is no job {query.job_id}.")
        return [backfill_of(row) for row in rows]

    return await shards.of(service_id).read(service_id, ask)
