"""A service's secrets, by name, without their values."""

from __future__ import annotations

from msgspec import Struct

from domain.access.caller import Caller
from domain.targets.secrets import Secret
from storage.secrets import TOLD_COLUMNS, secret_of
from storage.shards import Shards

_LIST = f"""
SELECT {TOLD_COLUMNS} FROM secrets WHERE service_id = $1 AND name > $2 ORDER BY name LIMIT $3
"""


class ListSecrets(Struct, frozen=True, kw_only=True):
    """Attributes:
    after: Name of the last secret on the page before.
    """

    caller: Caller
    limit: int
    after: str


async def list_secrets(query: ListSecrets, shards: Shards) -> list[Secret]:
    """At most `limit` secrets."""
    service_id = query.caller.service_id
    rows = await shards.of(service_id).read(
        service_id, lambda driver: driver.fetch(_LIST, service_id, query.after, query.limit)
    )
    return [secret_of(row) for row in rows]
