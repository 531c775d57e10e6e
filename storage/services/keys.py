"""API keys as rows."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import asyncpg
from msgspec.structs import asdict
from sqlalchemy import insert, select

from domain.access.caller import Caller
from domain.access.keys import Key, key_hash, key_text, new_secret
from domain.access.scopes import Scope
from domain.errors import Forbidden, NotFound
from domain.ids import new_id
from storage.postgres.pools import Driver
from storage.postgres.statements import Statement, given, values_of
from storage.schema.service_tables import api_keys
from storage.sql import statement

_REVOKE = statement("keys/revoke")
_MAKER = Statement(
    select(api_keys.c.revoked_at, api_keys.c.expires_at).where(
        *given(api_keys.c.service_id, api_keys.c.id)
    )
)
_LOCK = Statement(
    select(api_keys).where(*given(api_keys.c.service_id, api_keys.c.id)).with_for_update()
)
_STORE = Statement(insert(api_keys).values(values_of(*api_keys.c.keys())))


def key_of(row: asyncpg.Record) -> Key:
    """The key that a row holds."""
    return Key(
        id=row["id"],
        service_id=row["service_id"],
        name=row["name"],
        scopes=frozenset(Scope(scope) for scope in row["scopes"]),
        subject=row["subject"],
        made_by=row["made_by"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
        last_used_at=row["last_used_at"],
    )


async def maker_of(driver: Driver, caller: Caller, now: datetime) -> UUID | None:
    """The key of the same service that makes another one, if the caller is one.

    Its keys are locked, so that it is not revoked meanwhile without what it makes.

    Raises:
        Forbidden: When it was revoked or ended since the request came.
    """
    if caller.key is None or caller.key[0] != caller.service_id:
        return None
    key_id = caller.key[1]
    maker = await _MAKER.fetchrow(driver, service_id=caller.service_id, id=key_id)
    # Its end may have come nearer: by a rotation.
    if (
        maker is None
        or maker["revoked_at"] is not None
        or maker["expires_at"] != caller.key_ends_at
    ):
        raise Forbidden("Your key was revoked or replaced just now.")
    if maker["expires_at"] is not None and maker["expires_at"] <= now:
        raise Forbidden("Your key has ended.")
    return key_id


async def lock_key(
    driver: Driver, service_id: UUID, key_id: UUID, subject: str | None
) -> asyncpg.Record:
    """A key's row, locked until the transaction ends.

    Args:
        subject: If given, only a key of this person.

    Raises:
        NotFound: When the service has no such key.
    """
    row = await _LOCK.fetchrow(driver, service_id=service_id, id=key_id)
    if row is None or (subject is not None and row["subject"] != subject):
        raise NotFound(f"There is no key {key_id}.")
    return row


async def revoke_with_made(
    driver: Driver, service_id: UUID, key_ids: list[UUID], now: datetime
) -> list[UUID]:
    """Revoke keys with all that they made, and return which were still good.

    The service's keys are locked.
    """
    rows = await _REVOKE.fetch(driver, service_id=service_id, ids=key_ids, now=now)
    return [row["id"] for row in rows]


async def store_key(
    driver: Driver,
    service_id: UUID,
    now: datetime,
    *,
    name: str,
    scopes: frozenset[Scope],
    subject: str | None = None,
    made_by: UUID | None = None,
    expires_at: datetime | None = None,
) -> tuple[Key, str]:
    """Store a new key.

    Returns:
        The key and its text, which cannot be shown again.
    """
    key = Key(
        id=new_id(),
        service_id=service_id,
        name=name,
        scopes=scopes,
        subject=subject,
        made_by=made_by,
        created_at=now,
        expires_at=expires_at,
        revoked_at=None,
        last_used_at=None,
    )
    text = key_text(service_id, new_secret())
    stored = asdict(key) | {"scopes": sorted(scopes), "hash": key_hash(text)}
    await _STORE.execute(driver, **stored)
    return key, text
