"""A service's live signing secrets, without their text."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct
from sqlalchemy import bindparam, select

from domain.access.caller import Caller
from domain.targets.signing import SigningSecret, live
from storage.postgres.statements import Statement
from storage.schema.service_tables import services
from storage.services.signing_secrets import stored_of
from storage.shards import Shards

_SERVICE = Statement(
    select(services.c.id, services.c.created_at, services.c.signing_secrets).where(
        services.c.id == bindparam("id")
    )
)


class ListSigningSecrets(Struct, frozen=True, kw_only=True):
    caller: Caller
    now: datetime


async def list_signing_secrets(query: ListSigningSecrets, shards: Shards) -> list[SigningSecret]:
    """Those that deliveries are signed with, newest first."""
    service_id = query.caller.service_id
    row = await shards.of(service_id).read(
        service_id, lambda driver: _SERVICE.fetchrow(driver, id=service_id)
    )
    if row is None:
        return []
    stored = stored_of(row["signing_secrets"], row["id"], row["created_at"])
    return [*live(stored, query.now)]
