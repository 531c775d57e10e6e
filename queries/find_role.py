"""What a person is in a service."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from domain.access.scopes import Role
from storage.lasting_reads import Lasting
from storage.postgres import Driver
from storage.shards import Shards

_FIND = "SELECT role FROM members WHERE service_id = $1 AND subject = $2"


async def find_role(service_id: UUID, subject: str, now: datetime, shards: Shards) -> Role | None:
    """The person's role as of now, or None."""

    async def load(driver: Driver) -> Lasting[Role | None]:
        role = await driver.fetchval(_FIND, service_id, subject)
        return Lasting(Role(role) if role else None)

    return await shards.of(service_id).read_lasting(service_id, f"role:{subject}", now, load)
