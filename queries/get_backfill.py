"""One backfill and how far it is."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct

from domain.access.caller import Caller
from domain.errors import NotFound
from domain.jobs.backfill import Backfill
from storage.backfills import BACKFILL_COLUMNS, backfill_of
from storage.shards import Shards

_GET = f"SELECT {BACKFILL_COLUMNS} FROM backfills WHERE service_id = $1 AND id = $2"


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
        service_id, lambda driver: driver.fetchrow(_GET, service_id, query.backfill_id)
    )
    if row is None:
        raise NotFound(f"There is no backfill {query.backfill_id}.")
    return backfill_of(row)
