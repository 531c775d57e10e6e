"""A job's backfills, newest first."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct
from sqlalchemy import bindparam, select

from domain.access.caller import Caller
from domain.ids import LAST_ID
from domain.jobs.backfill import Backfill
from queries.jobs.known_jobs import refuse_unknown
from queries.sql_parts import LIMIT, columns_of
from storage.jobs.backfills import backfill_of
from storage.postgres.pools import Driver
from storage.postgres.statements import Statement
from storage.schema.tables import backfills
from storage.shards import Shards

_LIST = Statement(
    select(*columns_of(backfills, Backfill))
    .where(
        backfills.c.service_id == bindparam("service_id"),
        backfills.c.job_id == bindparam("job_id"),
        backfills.c.id < bindparam("before"),
    )
    .order_by(backfills.c.id.desc())
    .limit(LIMIT)
)


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
        rows = await _LIST.fetch(
            driver,
            service_id=service_id,
            job_id=query.job_id,
            before=query.before or LAST_ID,
            limit=query.limit,
        )
        if not rows:
            await refuse_unknown(driver, service_id, query.job_id)
        return [backfill_of(row) for row in rows]

    return await shards.of(service_id).read(service_id, ask)
