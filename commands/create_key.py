"""Make an API key, and its service when it is new."""

from __future__ import annotations

from base64 import b64encode
from datetime import datetime
from hashlib import sha256
from secrets import token_bytes, token_urlsafe
from uuid import UUID

from msgspec import Struct
from sqlalchemy import insert as plain_insert
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from domain.caller import Caller
from domain.ids import new_id
from domain.keys import key_text
from storage.audit import record
from storage.shards import Shards
from storage.tables import api_keys, services
from storage.transactions import WriteConnection


class CreateKey(Struct, frozen=True, kw_only=True):
    service_name: str
    now: datetime


async def create_key(command: CreateKey, shards: Shards) -> str:
    """Store a key's hash and return its text, which cannot be shown again."""
    shard = shards.all()[0]
    async with shard.database.transaction() as connection:
        key_id = new_id()
        service_id = await _ensure_service(connection, command)
        key = key_text(service_id, token_urlsafe(32))
        await connection.execute(
            plain_insert(api_keys).values(
                service_id=service_id,
                hash=sha256(key.encode()).digest(),
                id=key_id,
                created_at=command.now,
            )
        )
        operator = Caller(service_id=service_id, principal="operator", request_id="")
        await record(connection, operator, "key.created", key_id, command.now)
    return key


async def _ensure_service(connection: WriteConnection, command: CreateKey) -> UUID:
    await connection.execute(
        insert(services)
        .values(
            id=new_id(),
            name=command.service_name,
            signing_secrets=["whsec_" + b64encode(token_bytes(32)).decode()],
            created_at=command.now,
        )
        .on_conflict_do_nothing(index_elements=[services.c.name])
    )
    result = await connection.execute(
        select(services.c.id).where(services.c.name == command.service_name)
    )
    service_id: UUID = result.scalar_one()
    return service_id
