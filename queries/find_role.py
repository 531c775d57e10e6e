"""What a person is in a service."""

from __future__ import annotations

from uuid import UUID

from domain.access import Role
from storage.postgres import Driver
from storage.shards import Shards

_FIND = "SELECT role FROM members WHERE service_id = $1 AND subject = $2"


async def find_role(service_id: UUID, subject: str, shards: Shards) -> Role | None:
    """The person's role as of now, or None."""

    async def ask(driver: Driver) -> str | None:
        role: str | None = await driver.fetchval(_FIND, service_id, subject)
        return role

    role = await shards.of(service_id).read(service_id, ask)
    return Role(role) if role else None
