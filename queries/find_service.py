"""Which service a request names, by id or by name."""

from __future__ import annotations

from uuid import UUID

from domain.errors import NotFound
from domain.service import Service
from storage.postgres import Driver
from storage.services import SERVICE_COLUMNS, service_of_row
from storage.shards import Shards

_BY_ID = f"SELECT {SERVICE_COLUMNS} FROM services WHERE id = $1"
_BY_NAME = f"SELECT {SERVICE_COLUMNS} FROM services WHERE name = $1"


async def find_service(named: str, shards: Shards) -> Service:
    """The service of that id, or else of that name.

    Raises:
        NotFound: When there is none.
    """
    try:
        service_id = UUID(named)
    except ValueError:
        return await _by_name(named, shards)
    return await get_service(service_id, shards)


async def get_service(service_id: UUID, shards: Shards) -> Service:
    """The service of that id.

    Raises:
        NotFound: When there is none.
    """

    async def ask(driver: Driver) -> Service | None:
        row = await driver.fetchrow(_BY_ID, service_id)
        return service_of_row(row) if row else None

    found = await shards.of(service_id).read(service_id, ask)
    if found is None:
        raise NotFound(f"There is no service {str(service_id)!r}.")
    return found


async def _by_name(name: str, shards: Shards) -> Service:
    for shard in shards.all():
        # Which service's commits to wait for, one knows only when it is found.
        async with shard.database.reading() as driver:
            row = await driver.fetchrow(_BY_NAME, name)
        if row:
            return service_of_row(row)
    raise NotFound(f"There is no service {name!r}.")
