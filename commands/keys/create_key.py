"""Make an API key."""

from __future__ import annotations

from datetime import datetime

from commands.unit_of_work import Command, UnitOfWork, unit_of_work
from domain.access.keys import Key, check_end, check_grant, end_of_made
from domain.access.scopes import Scope
from domain.errors import Invalid
from storage.services.keys import maker_of, store_key
from storage.services.quotas import make_room_for_key


class CreateKey(Command, frozen=True, kw_only=True):
    """Attributes:
    expires_at: None for as long as may be: without end, or as long as the caller's key.
    subject: The person whose own key it is to be; None for one of the service.
    """

    name: str
    scopes: frozenset[Scope]
    expires_at: datetime | None
    subject: str | None


@unit_of_work
async def create_key(command: CreateKey, uow: UnitOfWork) -> tuple[Key, str]:
    """Store a key in the caller's service.

    Returns:
        The key and its text, which cannot be shown again.

    Raises:
        Conflict: When the service has 1,000 live keys already.
        Forbidden: When it would have a scope that the caller has not, or outlive the caller's key.
        Invalid: When it would have expired already, or no scope.
    """
    expires_at = _check(command)
    driver, service_id = await uow.begin(), command.service_id
    uow.changes_only()
    await make_room_for_key(driver, service_id, command.now)
    key, text = await store_key(
        driver,
        service_id,
        command.now,
        name=command.name,
        scopes=command.scopes,
        subject=command.subject,
        made_by=await maker_of(driver, command.caller, command.now),
        expires_at=expires_at,
    )
    await uow.audit(
        "key.created",
        key.id,
        name=key.name,
        scopes=sorted(key.scopes),
        subject=key.subject,
        expires_at=key.expires_at,
    )
    return key, text


def _check(command: CreateKey) -> datetime | None:
    """When the key is to end."""
    if not command.scopes:
        raise Invalid("Give the key at least one scope.", "/scopes")
    check_grant(command.scopes, command.caller.scopes)
    check_end(command.expires_at, command.now)
    return end_of_made(command.expires_at, command.caller)
