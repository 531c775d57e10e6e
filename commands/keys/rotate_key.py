"""Replace a key by a new one; for a while both are good."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from msgspec import UnsetType
from sqlalchemy import bindparam, update

from commands.unit_of_work import Command, UnitOfWork, unit_of_work
from domain.access.caller import Caller
from domain.access.keys import LONGEST_OVERLAP, Key, check_end, check_grant, end_of_made
from domain.access.scopes import Scope
from domain.errors import Conflict, Forbidden, Invalid
from storage.postgres.statements import Statement, given
from storage.schema.service_tables import api_keys
from storage.services.keys import lock_key, maker_of, store_key
from storage.services.quotas import make_room_for_key
from storage.services.services import lock_service

_END = Statement(
    update(api_keys)
    .where(*given(api_keys.c.service_id, api_keys.c.id))
    .values(expires_at=bindparam("expires_at"))
)
_PASS_ON_MADE = Statement(
    update(api_keys)
    .where(*given(api_keys.c.service_id), api_keys.c.made_by == bindparam("old"))
    .values(made_by=bindparam("new"))
)


class RotateKey(Command, frozen=True, kw_only=True):
    """Attributes:
    overlap: How long the old key stays good.
    expires_at: Of the new key; the old one's if unset, None for as long as may be.
    subject: If given, only a key of this person.
    """

    key_id: UUID
    overlap: timedelta
    expires_at: datetime | UnsetType | None
    subject: str | None = None


@unit_of_work
async def rotate_key(command: RotateKey, uow: UnitOfWork) -> tuple[Key, str]:
    """Store a key like the old one, which ends after the overlap.

    Returns:
        The new key and its text, which cannot be shown again.

    Raises:
        Conflict: When the old key is good no more, or the service has 1,000 live keys already.
        Forbidden: When it has a scope that the caller has not, is another person's, or the new one
            would outlive the caller's key.
        Invalid: When the overlap is out of bounds, or the new key would have expired already.
        NotFound: When the service has no such key.
    """
    _check(command)
    driver, service_id = await uow.begin(), command.service_id
    await lock_service(driver, service_id)
    old = await lock_key(driver, service_id, command.key_id, command.subject)
    ends_at = old["expires_at"]
    if old["revoked_at"] is not None or (ends_at is not None and ends_at <= command.now):
        raise Conflict("This key is good no more; make a new one.")
    scopes = frozenset(Scope(scope) for scope in old["scopes"])
    check_grant(scopes, command.caller.scopes)
    _check_person(old["subject"], command.caller)
    maker = await maker_of(driver, command.caller, command.now)
    until = command.now + command.overlap
    if ends_at is None or until < ends_at:
        await _END.execute(driver, service_id=service_id, id=command.key_id, expires_at=until)
    await make_room_for_key(driver, service_id, command.now)
    key, text = await store_key(
        driver,
        service_id,
        command.now,
        name=old["name"],
        scopes=scopes,
        subject=old["subject"],
        # A key that rotates itself keeps its maker.
        made_by=old["made_by"] if maker == command.key_id else maker,
        expires_at=_end_of_new(command, ends_at),
    )
    await _PASS_ON_MADE.execute(driver, service_id=service_id, old=command.key_id, new=key.id)
    await uow.audit("key.rotated", command.key_id, key_id=key.id, until=until)
    return key, text


def _check(command: RotateKey) -> None:
    if not timedelta(0) <= command.overlap <= LONGEST_OVERLAP:
        raise Invalid(f"Choose an overlap of 0 to {LONGEST_OVERLAP.days} days.", "/overlap")
    if not isinstance(command.expires_at, UnsetType):
        check_end(command.expires_at, command.now)
        end_of_made(command.expires_at, command.caller)


def _end_of_new(command: RotateKey, end_of_old: datetime | None) -> datetime | None:
    """When the new key is to end."""
    if not isinstance(command.expires_at, UnsetType):
        return end_of_made(command.expires_at, command.caller)
    # Nobody asked for an end later than the caller's, so that is no reason to refuse.
    ends = [end for end in (end_of_old, command.caller.key_ends_at) if end is not None]
    return min(ends, default=None)


def _check_person(subject: str | None, caller: Caller) -> None:
    # Whoever has the new text calls as that person.
    if subject not in {None, caller.subject}:
        raise Forbidden("Only its person may rotate this key; you may revoke it.")
