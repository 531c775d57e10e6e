"""Change what a service may use."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from sqlalchemy import bindparam, update

from commands.unit_of_work import Command, UnitOfWork, unit_of_work
from domain.access.service import Service
from domain.errors import NotFound
from domain.quotas.limits import Limits
from storage.postgres.statements import Statement, given
from storage.schema.service_tables import services
from storage.services.services import decode_limits, lock_service

# Limits are stored without defaults: one that was never set follows its default when that changes.
_SET_LIMITS = Statement(
    update(services).where(*given(services.c.id)).values(limits=bindparam("limits"))
)


class UpdateService(Command, frozen=True, kw_only=True):
    """Attributes:
    limits: What makes the limits of those that the service has.
    """

    service_id: UUID
    limits: Callable[[Limits], Limits]


@unit_of_work
async def update_service(command: UpdateService, uow: UnitOfWork) -> Service:
    """Store the limits; every process holds to them within a second. Equal ones change nothing.

    Raises:
        NotFound: When there is no such service.
    """
    driver = await uow.begin()
    row = await lock_service(driver, command.service_id)
    if row is None:
        raise NotFound(f"There is no service {str(command.service_id)!r}.")
    before = decode_limits(row["limits"])
    limits = command.limits(before)
    if limits != before:
        await _SET_LIMITS.execute(driver, id=command.service_id, limits=limits)
        await uow.audit("service.updated", command.service_id, before=before, after=limits)
    return Service(
        id=command.service_id, name=row["name"], limits=limits, created_at=row["created_at"]
    )
