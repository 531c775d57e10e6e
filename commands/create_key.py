"""Make an API key."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from domain.access import Scope
from domain.caller import Caller
from domain.errors import Invalid
from domain.keys import Key, check_end, check_grant, end_of_made
from storage.audit import record
from storage.keys import maker_of, store_key
from storage.quotas import make_room_for_key
from storage.shards import Shards
from storage.transactions import driver_of


class CreateKey(Struct, frozen=True, kw_only=True):
    """Attributes:
    expires_at: None for as long as may be: without end, or as long as the caller's key.
    subject: The person whose own key it is to be; None for one of the service.
    """

    caller: Caller
    name: str
    scopes: frozenset[Scope]
    expires_at: datetime | None
    subject: str | None
    now: datetime


async def create_key(command: CreateKey, shards: Shards) -> tuple[Key, str]:
    """Store a key in the caller's service.

    Returns:
        The key and its text, which cannot be shown again.

    Raises:
        Conflict: When the service has 1,000 live keys already.
        Forbidden: When it would have a scope that the caller has not, or outlive the caller's key.
        Invalid: When it would have expired already, or no scope.
    """
    expires_at = _check(command)
    service_id = command.caller.service_id
    async with shards.of(service_id).writing(service_id, ()) as connection:
        await make_room_for_key(await driver_of(connection), service_id, command.now)
        made_by = await maker_of(connection, command.caller, command.now)
        key, text = await store_key(
            connection,
            service_id,
            command.now,
            name=command.name,
            scopes=command.scopes,
            subject=command.subject,
            made_by=made_by,
            expires_at=expires_at,
        )
        await record(
            connection,
            command.caller,
            "key.created",
            key.id,
            command.now,
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
