"""A service's members."""

from __future__ import annotations

from msgspec import Struct

from domain.access.caller import Caller
from domain.access.service import Member
from storage.postgres import Driver
from storage.services import MEMBER_COLUMNS, member_of
from storage.shards import Shards

_LIST = f"""
SELECT {MEMBER_COLUMNS} FROM members
WHERE service_id = $1 AND subject > $2 ORDER BY subject LIMIT $3
"""


class ListMembers(Struct, frozen=True, kw_only=True):
    """Attributes:
    after: The last subject of the page before.
    """

    caller: Caller
    limit: int
    after: str


async def list_members(query: ListMembers, shards: Shards) -> list[Member]:
    """At most `limit` members, by subject."""
    service_id = query.caller.service_id

    async def ask(driver: Driver) -> list[Member]:
        rows = await driver.fetch(_LIST, service_id, query.after, query.limit)
        return [member_of(row) for row in rows]

    return await shards.of(service_id).read(service_id, ask)
