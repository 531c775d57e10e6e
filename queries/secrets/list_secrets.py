"""A service's secrets, by name, without their values."""

from __future__ import annotations

from msgspec import Struct
from sqlalchemy import bindparam, select

from domain.access.caller import Caller
from domain.targets.secrets import Secret
from queries.sql_parts import LIMIT, columns_of
from storage.postgres.statements import Statement
from storage.schema.service_tables import secrets
from storage.services.secrets import secret_of
from storage.shards import Shards

_LIST = Statement(
    select(*columns_of(secrets, Secret))
    .where(secrets.c.service_id == bindparam("service_id"), secrets.c.name > bindparam("after"))
    .order_by(secrets.c.name)
    .limit(LIMIT)
)


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
        service_id,
        lambda driver: _LIST.fetch(
            driver, service_id=service_id, after=query.after, limit=query.limit
        ),
    )
    return [secret_of(row) for row in rows]
