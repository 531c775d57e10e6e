"""End a person's membership of a service."""

from __future__ import annotations

from sqlalchemy import delete, select

from commands.unit_of_work import Command, UnitOfWork, unit_of_work
from domain.errors import NotFound
from storage.postgres.statements import Statement, given
from storage.schema.service_tables import api_keys, members
from storage.services.keys import revoke_with_made
from storage.services.services import lock_service

_REMOVE = Statement(
    delete(members)
    .where(
        *given(members.c.service_id, members.c.subject),
    )
    .returning(members.c.subject)
)
_KEYS = Statement(
    select(api_keys.c.id).where(
        *given(api_keys.c.service_id, api_keys.c.subject),
    )
)


class RemoveMember(Command, frozen=True, kw_only=True):
    subject: str


@unit_of_work
async def remove_member(command: RemoveMember, uow: UnitOfWork) -> None:
    """Remove the member and revoke the person's own keys of the service, and what they made.

    Raises:
        NotFound: When the service has no such member.
    """
    driver, service_id = await uow.begin(), command.service_id
    await lock_service(driver, service_id)
    key = {"service_id": service_id, "subject": command.subject}
    if not await _REMOVE.fetch(driver, **key):
        raise NotFound(f"The service has no member {command.subject!r}.")
    key_ids = [row["id"] for row in await _KEYS.fetch(driver, **key)]
    await revoke_with_made(driver, service_id, key_ids, command.now)
    await uow.audit("member.removed", service_id, subject=command.subject)
