"""Make a service."""

from __future__ import annotations

from uuid import UUID

import msgspec
from sqlalchemy.dialects.postgresql import insert

from commands.unit_of_work import Command, UnitOfWork, unit_of_work
from domain.access.service import Service
from domain.errors import Conflict
from domain.ids import new_id
from domain.targets.signing import new_signing_secret
from storage.postgres.statements import Statement, values_of
from storage.schema.service_tables import services
from storage.services.signing_secrets import first_of_service

_STORE = Statement(
    insert(services)
    .values(values_of("id", "name", "signing_secrets", "created_at"))
    .on_conflict_do_nothing(index_elements=[services.c.name])
    .returning(services.c.id)
)


class CreateService(Command, frozen=True, kw_only=True):
    """Attributes:
    service_id: Of the new one.
    """

    name: str
    service_id: UUID = msgspec.field(default_factory=new_id)


@unit_of_work
async def create_service(command: CreateService, uow: UnitOfWork) -> tuple[Service, str]:
    """Store a service.

    Returns:
        The service and its signing secret, which cannot be shown again.

    Raises:
        Conflict: When another has that name.
    """
    service = Service(id=command.service_id, name=command.name, created_at=command.now)
    text = new_signing_secret()
    secret = first_of_service(text, service.id, command.now, uow.shard.keys)
    driver = await uow.begin()
    uow.changes_only()
    made = await _STORE.fetch(
        driver,
        id=service.id,
        name=service.name,
        signing_secrets=[secret],
        created_at=command.now,
    )
    if not made:
        raise Conflict(f"There is a service {command.name!r} already.")
    await uow.audit("service.created", service.id, name=service.name)
    return service, text
