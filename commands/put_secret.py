"""Store a secret, or give it another value."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct
from sqlalchemy.dialects.postgresql import insert

from domain.caller import Caller
from domain.ids import new_id
from domain.secrets import Secret, check_value
from storage.audit import record
from storage.quotas import refuse_one_too_many
from storage.secrets import place_of
from storage.service_tables import secrets
from storage.shards import Shards


class PutSecret(Struct, frozen=True, kw_only=True):
    caller: Caller
    name: str
    value: str
    now: datetime


async def put_secret(command: PutSecret, shards: Shards) -> Secret:
    """Encrypt and store the value; workers use it within seconds.

    Raises:
        Invalid: When the value is too long.
        QuotaExceeded: When the service has as many secrets as it may.
        Undecipherable: When this installation has no keys to encrypt it with.
    """
    check_value(command.value)
    service_id = command.caller.service_id
    sealed = shards.ring.seal(command.value, place_of(service_id, command.name))
    statement = insert(secrets).values(
        service_id=service_id,
        name=command.name,
        key_id=sealed.key_id,
        content=sealed.content,
        created_at=command.now,
        updated_at=command.now,
    )
    async with shards.of(service_id).writing(service_id, ()) as connection:
        stored = await connection.execute(
            statement.on_conflict_do_update(
                index_elements=[secrets.c.service_id, secrets.c.name],
                set_={
                    name: statement.excluded[name] for name in ("key_id", "content", "updated_at")
                },
            ).returning(secrets.c.created_at)
        )
        created_at: datetime = stored.scalar_one()
        if created_at == command.now:
            await refuse_one_too_many(connection, secrets, service_id)
        await record(
            connection, command.caller, "secret.put", new_id(), command.now, name=command.name
        )
    return Secret(
        name=command.name,
        key_id=sealed.key_id,
        created_at=created_at,
        updated_at=command.now,
    )
