"""Make a key from the command line: of a service by name, made if it is new, or of an operator."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec import Struct
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from domain.access import ALL_SCOPES, INSTALLATION
from domain.caller import Caller
from domain.ids import new_id
from domain.signing import new_signing_secret
from storage.audit import record
from storage.keys import store_key
from storage.service_tables import services
from storage.shards import Shards
from storage.signing_secrets import first_of_service


class BootstrapKey(Struct, frozen=True, kw_only=True):
    """Attributes:
    service_name: None for an operator's key.
    """

    service_name: str | None
    now: datetime


async def bootstrap_key(command: BootstrapKey, shards: Shards) -> str:
    """Store a key with all scopes and return its text, which cannot be shown again."""
    service_id = INSTALLATION
    if command.service_name is not None:
        service_id = await _ensure_service(command.service_name, command.now, shards)
    async with shards.of(service_id).writing(service_id, ()) as connection:
        key, text = await store_key(
            connection, service_id, command.now, name="from the command line", scopes=ALL_SCOPES
        )
        operator = Caller(service_id=service_id, principal="operator", request_id="")
        await record(connection, operator, "key.created", key.id, command.now)
    return text


async def _ensure_service(name: str, now: datetime, shards: Shards) -> UUID:
    new = new_id()
    secret = first_of_service(new_signing_secret(), new, now, shards.ring)
    async with shards.all()[0].database.transaction() as connection:
        await connection.execute(
            insert(services)
            .values(id=new, name=name, signing_secrets=[secret], created_at=now)
            .on_conflict_do_nothing(index_elements=[services.c.name])
        )
        found = await connection.execute(select(services.c.id).where(services.c.name == name))
        service_id: UUID = found.scalar_one()
    return service_id
