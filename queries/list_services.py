"""All services, newest first; for operators."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct

from domain.access.caller import Caller
from domain.access.scopes import INSTALLATION
from domain.access.service import Service
from domain.ids import LAST_ID
from storage.postgres import Driver
from storage.services import SERVICE_COLUMNS, service_of_row
from storage.shards import Shards

_LIST = f"""
SELECT {SERVICE_COLUMNS} FROM services WHERE id < $1 AND id <> $2 ORDER BY id DESC LIMIT $3
"""


class ListServices(Struct, frozen=True, kw_only=True):
    """Attributes:
    before: The last service of the page before; ids sort by time.
    """

    caller: Caller
    limit: int
    before: UUID | None


async def list_services(query: ListServices, shards: Shards) -> list[Service]:
    """At most `limit` services, of all shards."""

    async def ask(driver: Driver) -> list[Service]:
        rows = await driver.fetch(_LIST, query.before or LAST_ID, INSTALLATION, query.limit)
        return [service_of_row(row) for row in rows]

    found: list[Service] = []
    for shard in shards.all():
        found += await shard.read(query.caller.service_id, ask)
    return sorted(found, key=lambda service: service.id, reverse=True)[: query.limit]
