"""Make a service."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct
from sqlalchemy.dialects.postgresql import insert

from domain.caller import Caller
from domain.errors import Conflict
from domain.ids import new_id
from domain.service import Service
from domain.signing import new_signing_secret
from storage.audit import record
from storage.service_tables import services
from storage.shards import Shards
from storage.signing_secrets import first_of_service


class CreateService(Struct, frozen=True, kw_only=True):
    caller: Caller
    name: str
    now: datetime


async def create_service(command: CreateService, shards: Shards) -> tuple[Service, str]:
    """Store a service.

    Returns:
        The service and its signing secret, which cannot be shown again.

    Raises:
        Conflict: When another has that name.
    """
    service = Service(id=new_id(), name=command.name, created_at=command.now)
    secret = new_signing_secret()
    stored = first_of_service(secret, service.id, command.now, shards.ring)
    async with shards.of(service.id).writing(service.id, ()) as connection:
        made = await connection.execute(
            insert(services)
            .values(
                id=service.id,
                name=service.name,
                signing_secrets=[stored],
                created_at=command.now,
            )
            .on_conflict_do_nothing(index_elements=[services.c.name])
            .returning(services.c.id)
        )
        if made.one_or_none() is None:
            raise Conflict(f"There is a service {command.name!r} already.")
        await record(
            connection,
            command.caller,
            "service.created",
            service.id,
            command.now,
            name=service.name,
        )
    return service, secret
