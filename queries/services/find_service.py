"""Which service a request names, by id or by name."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, select

from domain.access.service import Service
from domain.errors import NotFound
from queries.sql_parts import columns_of
from storage.cache.authorization_cache import CachedAnswer
from storage.postgres.pools import Driver
from storage.postgres.routed_reads import LATEST
from storage.postgres.statements import Statement
from storage.schema.service_tables import services
from storage.services.services import service_of_row
from storage.shards import Shards

_SERVICE = select(*columns_of(services, Service))
_BY_ID = Statement(_SERVICE.where(services.c.id == bindparam("id")))
_BY_NAME = Statement(_SERVICE.where(services.c.name == bindparam("name")))


async def find_service(named: str, now: datetime, shards: Shards) -> Service:
    """The service of that id, or else of that name.

    Raises:
        NotFound: When there is none.
    """
    try:
        service_id = UUID(named)
    except ValueError:
        return await _by_name(named, shards)
    return await get_service(service_id, now, shards)


async def get_service(service_id: UUID, now: datetime, shards: Shards) -> Service:
    """The service of that id.

    Raises:
        NotFound: When there is none.
    """

    async def load(driver: Driver) -> CachedAnswer[Service | None]:
        row = await _BY_ID.fetchrow(driver, id=service_id)
        # Whoever guesses ids is not to fill the memory with them.
        return CachedAnswer(service_of_row(row)) if row else CachedAnswer(None, now)

    found = await shards.of(service_id).read_authorization(service_id, "service", now, load)
    if found is None:
        raise NotFound(f"There is no service {str(service_id)!r}.")
    return found


async def _by_name(name: str, shards: Shards) -> Service:
    for shard in shards.all():
        # Whose commits a replica must have is known only once the service is found.
        row = await shard.reads.read(LATEST, lambda driver: _BY_NAME.fetchrow(driver, name=name))
        if row:
            return service_of_row(row)
    raise NotFound(f"There is no service {name!r}.")
