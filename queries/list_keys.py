"""A service's keys, newest first."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct

from domain.access.caller import Caller
from domain.access.keys import Key
from domain.ids import LAST_ID
from storage.keys import KEY_COLUMNS, key_of
from storage.postgres import Driver
from storage.shards import Shards

_LIST = f"""
SELECT {KEY_COLUMNS} FROM api_keys
WHERE service_id = $1 AND id < $2 AND ($3::text IS NULL OR subject = $3)
ORDER BY id DESC LIMIT $4
"""


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
        rows = await driver.fetch(
            _LIST, service_id, query.before or LAST_ID, query.subject, query.limit
        )
        return [key_of(row) for row in rows]

    return await shards.of(service_id).read(service_id, ask)
