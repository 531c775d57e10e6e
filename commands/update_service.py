"""Change what a service may use."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from msgspec import Struct
from sqlalchemy import select, update

from domain.caller import Caller
from domain.errors import NotFound
from domain.limits import Limits
from domain.service import Service
from storage.audit import record
from storage.service_tables import services
from storage.services import decode_limits
from storage.shards import Shards


class UpdateService(Struct, frozen=True, kw_only=True):
    """Attributes:
    limits: What makes the limits of those that the service has.
    """

    caller: Caller
    service_id: UUID
    limits: Callable[[Limits], Limits]
    now: datetime


async def update_service(command: UpdateService, shards: Shards) -> Service:
    """Store the limits; every process holds to them within a second. Equal ones change nothing.

    Raises:
        NotFound: When there is no such service.
    """
    service_id = command.service_id
    async with shards.of(service_id).writing(service_id) as connection:
        found = await connection.execute(
            select(services).where(services.c.id == service_id).with_for_update()
        )
        row = found.mappings().one_or_none()
        if row is None:
            raise NotFound(f"There is no service {str(service_id)!r}.")
        before = decode_limits(row["limits"])
        limits = command.limits(before)
        service = Service(
            id=service_id, name=row["name"], limits=limits, created_at=row["created_at"]
        )
        if limits == before:
            return service
        # A Struct that leaves out defaults: what is not said follows them when they change.
        await connection.execute(
            update(services).where(services.c.id == service_id).values(limits=limits)
        )
        await record(
            connection,
            command.caller,
            "service.updated",
            service_id,
            command.now,
            before=before,
            after=limits,
        )
    return service
