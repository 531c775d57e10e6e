"""A service's keys, newest first."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct
from sqlalchemy import Text, bindparam, select

from domain.access.caller import Caller
from domain.access.keys import Key
from domain.ids import LAST_ID
from queries.sql_parts import LIMIT, columns_of, if_given
from storage.postgres.pools import Driver
from storage.postgres.statements import Statement
from storage.schema.service_tables import api_keys
from storage.services.keys import key_of
from storage.shards import Shards

_LIST = Statement(
    select(*columns_of(api_keys, Key))
    .where(
        api_keys.c.service_id == bindparam("service_id"),
        api_keys.c.id < bindparam("before"),
        if_given("subject", Text, lambda subject: api_keys.c.subject == subject),
    )
    .order_by(api_keys.c.id.desc())
    .limit(LIMIT)
)


class ListKeys(Struct, frozen=True, kw_only=True):
    """Attributes:
    subject: Only keys of this person.
    before: The last key of the page before; ids sort by time.
    """

    caller: Caller
    subject: str | None
    limit: int
    before: UUID | None


async def list_keys(query: ListKeys, shards: Shards) -> list[Key]:
    """At most `limit` keys, those that are good no more among them."""
    service_id = query.caller.service_id

    async def ask(driver: Driver) -> list[Key]:
        rows = await _LIST.fetch(
            driver,
            service_id=service_id,
            before=query.before or LAST_ID,
            subject=query.subject,
            limit=query.limit,
        )
        return [key_of(row) for row in rows]

    return await shards.of(service_id).read(service_id, ask)
