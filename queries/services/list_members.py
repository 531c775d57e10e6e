"""A service's members."""

from __future__ import annotations

from msgspec import Struct
from sqlalchemy import bindparam, select

from domain.access.caller import Caller
from domain.access.service import Member
from queries.sql_parts import LIMIT, columns_of
from storage.postgres.pools import Driver
from storage.postgres.statements import Statement
from storage.schema.service_tables import members
from storage.services.services import member_of
from storage.shards import Shards

_LIST = Statement(
    select(*columns_of(members, Member))
    .where(members.c.service_id == bindparam("service_id"), members.c.subject > bindparam("after"))
    .order_by(members.c.subject)
    .limit(LIMIT)
)


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
        rows = await _LIST.fetch(
            driver, service_id=service_id, after=query.after, limit=query.limit
        )
        return [member_of(row) for row in rows]

    return await shards.of(service_id).read(service_id, ask)
