"""The services that a person is a member of."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct
from sqlalchemy import bindparam, select

from domain.access.scopes import Role
from queries.sql_parts import LIMIT
from storage.postgres.pools import Driver
from storage.postgres.routed_reads import ANYWHERE, LATEST
from storage.postgres.statements import Statement
from storage.schema.service_tables import members, services
from storage.shards import Shards

MOST = 200
_LIST = Statement(
    select(members.c.service_id, services.c.name, members.c.role)
    .join_from(members, services, services.c.id == members.c.service_id)
    .where(members.c.subject == bindparam("subject"))
    .order_by(members.c.service_id)
    .limit(LIMIT)
)


class Membership(Struct, frozen=True):
    service_id: UUID
    service_name: str
    role: Role


async def list_memberships(subject: str, shards: Shards) -> list[Membership]:
    """At most 200 memberships, of which one may be missing that was made this moment.

    Who has none is refused nearly everything, so only the primary says that.
    """

    async def ask(driver: Driver) -> list[Membership]:
        rows = await _LIST.fetch(driver, subject=subject, limit=MOST)
        return [Membership(row["service_id"], row["name"], Role(row["role"])) for row in rows]

    found = [one for shard in shards.all() for one in await shard.reads.read(ANYWHERE, ask)]
    if not found:
        found = [one for shard in shards.all() for one in await shard.reads.read(LATEST, ask)]
    return found[:MOST]
