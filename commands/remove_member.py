"""End a person's membership of a service."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct
from sqlalchemy import delete, select

from domain.caller import Caller
from domain.errors import NotFound
from storage.audit import record
from storage.keys import revoke_with_made
from storage.service_tables import api_keys, members
from storage.services import lock_service
from storage.shards import Shards
from storage.transactions import driver_of


class RemoveMember(Struct, frozen=True, kw_only=True):
    caller: Caller
    subject: str
    now: datetime


async def remove_member(command: RemoveMember, shards: Shards) -> None:
    """Remove the member and revoke the person's own keys of the service, and what they made.

    Raises:
        NotFound: When the service has no such member.
    """
    service_id = command.caller.service_id
    async with shards.of(service_id).writing(service_id) as connection:
        await lock_service(await driver_of(connection), service_id)
        removed = await connection.execute(
            delete(members)
            .where(members.c.service_id == service_id, members.c.subject == command.subject)
            .returning(members.c.subject)
        )
        if removed.one_or_none() is None:
            raise NotFound(f"The service has no member {command.subject!r}.")
        found = await connection.execute(
            select(api_keys.c.id).where(
                api_keys.c.service_id == service_id, api_keys.c.subject == command.subject
            )
        )
        await revoke_with_made(connection, service_id, list(found.scalars()), command.now)
        await record(
            connection,
            command.caller,
            "member.removed",
            service_id,
            command.now,
            subject=command.subject,
        )
