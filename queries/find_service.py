"""Which service a request names, by id or by name."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from domain.access.service import Service
from domain.errors import NotFound
from storage.lasting_reads import Lasting
from storage.postgres import Driver
from storage.services import SERVICE_COLUMNS, service_of_row
from storage.shards import Shards

_BY_ID = f"SELECT {SERVICE_COLUMNS} FROM services WHERE id = $1"
_BY_NAME = f"SELECT {SERVICE_COLUMNS} FROM services WHERE name = $1"


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

    async def load(driver: Driver) -> Lasting[Service | None]:
        row = await driver.fetchrow(_BY_ID, service_id)
        # Whoever guesses ids is not to fill the memory with them.
        return Lasting(service_of_row(row)) if row else Lasting(None, now)

    found = await shards.of(service_id).read_lasting(service_id, "service", now, load)
    if found is None:
        raise NotFound(f"There is no service {str(service_id)!r}.")
    return found


async def _by_name(name: str, shards: Shards) -> Service:
    for shard in shards.all():
        # Which service's commits to wait for, one knows only when it is found.
        row = await shard.read_latest(lambda driver: driver.fetchrow(_BY_NAME, name))
        if row:
            return service_of_row(row)
    raise NotFound(f"There is no service {name!r}.")
