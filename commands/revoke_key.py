"""Make a key worthless."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from domain.caller import Caller
from domain.errors import NotFound
from storage.audit import record
from storage.keys import revoke_with_made
from storage.service_tables import api_keys
from storage.services import lock_service
from storage.shards import Shards
from storage.transactions import driver_of


class RevokeKey(Struct, frozen=True, kw_only=True):
    """Attributes:
    subject: If given, only a key of this person.
    """

    caller: Caller
    key_id: UUID
    subject: str | None = None
    now: datetime


async def revoke_key(command: RevokeKey, shards: Shards) -> None:
    """Revoke a key and what it made: every process refuses them within a second.

    Revoking twice changes nothing.

    Raises:
        NotFound: When the service has no such key.
    """
    service_id = command.caller.service_id
    mine = [api_keys.c.service_id == service_id, api_keys.c.id == command.key_id]
    if command.subject is not None:
        mine.append(api_keys.c.subject == command.subject)
    async with shards.of(service_id).writing(service_id) as connection:
        await lock_service(await driver_of(connection), service_id)
        found = await connection.execute(
            api_keys.select()
            .with_only_columns(api_keys.c.revoked_at)
            .where(*mine)
            .with_for_update()
        )
        row = found.one_or_none()
        if row is None:
            raise NotFound(f"There is no key {command.key_id}.")
        if row.revoked_at is None:
            gone = await revoke_with_made(connection, service_id, [command.key_id], command.now)
            made = sorted(str(key_id) for key_id in gone if key_id != command.key_id)
            await record(
                connection, command.caller, "key.revoked", command.key_id, command.now, made=made
            )
