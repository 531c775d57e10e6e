"""The services that a person is a member of."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct

from domain.access.scopes import Role
from storage.postgres import Driver
from storage.shards import Shards

MOST = 200
_LIST = """
SELECT members.service_id, services.name, members.role
FROM members JOIN services ON services.id = members.service_id
WHERE members.subject = $1 ORDER BY members.service_id LIMIT $2
"""


class Membership(Struct, frozen=True):
    service_id: UUID
    service_name: str
    role: Role


async def list_memberships(subject: str, shards: Shards) -> list[Membership]:
    """At most 200 memberships, of which one may be missing that was made this moment.

    Who has none is refused nearly everything, so only the primary says that.
    """

    async def ask(driver: Driver) -> list[Membership]:
        rows = await driver.fetch(_LIST, subject, MOST)
        return [Membership(row["service_id"], row["name"], Role(row["role"])) for row in rows]

    found = [one for shard in shards.all() for one in await shard.read_any(ask)]
    if not found:
        found = [one for shard in shards.all() for one in await shard.read_latest(ask)]
    return found[:MOST]
