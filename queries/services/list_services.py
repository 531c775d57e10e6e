"""All services, newest first; for operators."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct
from sqlalchemy import bindparam, select

from domain.access.caller import Caller
from domain.access.scopes import INSTALLATION
from domain.access.service import Service
from domain.ids import LAST_ID
from queries.sql_parts import LIMIT, columns_of
from storage.postgres.pools import Driver
from storage.postgres.statements import Statement
from storage.schema.service_tables import services
from storage.services.services import service_of_row
from storage.shards import Shards

_LIST = Statement(
    select(*columns_of(services, Service))
    .where(services.c.id < bindparam("before"), services.c.id != bindparam("installation"))
    .order_by(services.c.id.desc())
    .limit(LIMIT)
)


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
        rows = await _LIST.fetch(
            driver,
            before=query.before or LAST_ID,
            installation=INSTALLATION,
            limit=query.limit,
        )
        return [service_of_row(row) for row in rows]

    found: list[Service] = []
    for shard in shards.all():
        found += await shard.read(query.caller.service_id, ask)
    return sorted(found, key=lambda service: service.id, reverse=True)[: query.limit]
