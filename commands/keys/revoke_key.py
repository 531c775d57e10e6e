"""Make a key worthless."""

from __future__ import annotations

from uuid import UUID

from commands.unit_of_work import Command, UnitOfWork, unit_of_work
from storage.services.keys import lock_key, revoke_with_made
from storage.services.services import lock_service


class RevokeKey(Command, frozen=True, kw_only=True):
    """Attributes:
    subject: If given, only a key of this person.
    """

    key_id: UUID
    subject: str | None = None


@unit_of_work
async def revoke_key(command: RevokeKey, uow: UnitOfWork) -> None:
    """Revoke a key and what it made: every process refuses them within a second.

    Revoking twice changes nothing.

    Raises:
        NotFound: When the service has no such key.
    """
    driver, service_id = await uow.begin(), command.service_id
    await lock_service(driver, service_id)
    row = await lock_key(driver, service_id, command.key_id, command.subject)
    if row["revoked_at"] is None:
        gone = await revoke_with_made(driver, service_id, [command.key_id], command.now)
        made = sorted(str(key_id) for key_id in gone if key_id != command.key_id)
        await uow.audit("key.revoked", command.key_id, made=made)
