"""One backfill and how far it is."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct
from sqlalchemy import bindparam, select

from domain.access.caller import Caller
from domain.errors import NotFound
from domain.jobs.backfill import Backfill
from queries.sql_parts import columns_of
from storage.jobs.backfills import backfill_of
from storage.postgres.statements import Statement
from storage.schema.tables import backfills
from storage.shards import Shards

_GET = Statement(
    select(*columns_of(backfills, Backfill)).where(
        backfills.c.service_id == bindparam("service_id"), backfills.c.id == bindparam("id")
    )
)


class GetBackfill(Struct, frozen=True, kw_only=True):
    caller: Caller
    backfill_id: UUID


async def get_backfill(query: GetBackfill, shards: Shards) -> Backfill:
    """The backfill.

    Raises:
        NotFound: When the service has no such backfill.
    """
    service_id = query.caller.service_id
    row = await shards.of(service_id).read(
        service_id,
        lambda driver: _GET.fetchrow(driver, service_id=service_id, id=query.backfill_id),
    )
    if row is None:
        raise NotFound(f"There is no backfill {query.backfill_id}.")
    return backfill_of(row)
