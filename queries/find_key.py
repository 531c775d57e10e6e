"""Whose key a request carries."""

from __future__ import annotations

from hashlib import sha256
from uuid import UUID

from msgspec import Struct
from sqlalchemy import select

from domain.keys import service_of
from storage.shards import Shards
from storage.tables import api_keys


class FoundKey(Struct, frozen=True):
    service_id: UUID
    key_id: UUID


async def find_key(key: str, shards: Shards) -> FoundKey | None:
    """The service and id of a live key, or None.

    The hash is looked up, never compared byte by byte in our code, so timing tells nothing of it.
    """
    service_id = service_of(key)
    if service_id is None:
        return None
    statement = select(api_keys.c.service_id, api_keys.c.id).where(
        api_keys.c.service_id == service_id,
        api_keys.c.hash == sha256(key.encode()).digest(),
        api_keys.c.revoked_at.is_(None),
    )
    # A new key may not have reached the replica yet, and an unknown one tells of no service whose
    # commits could be waited for: so the primary has the last word.
    async with shards.of(service_id).reading_any() as connection:
        row = (await connection.execute(statement)).one_or_none()
    if row is None:
        async with shards.of(service_id).database.primary_reads.connect() as connection:
            row = (await connection.execute(statement)).one_or_none()
    return FoundKey(*row) if row else None
