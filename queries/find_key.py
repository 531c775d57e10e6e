"""Whose key a request carries."""

from __future__ import annotations

from hashlib import sha256
from typing import cast
from uuid import UUID

from msgspec import Struct

from domain.keys import service_of
from storage.postgres import Driver
from storage.shards import Shards

_FIND = "SELECT id FROM api_keys WHERE service_id = $1 AND hash = $2 AND revoked_at IS NULL"


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
    key_hash = sha256(key.encode()).digest()
    shard = shards.of(service_id)
    # A new key may not have reached the replica yet, and an unknown one tells of no service whose
    # commits could be waited for: so the primary has the last word.

    async def ask(driver: Driver) -> UUID | None:
        return cast("UUID | None", await driver.fetchval(_FIND, service_id, key_hash))

    key_id = await shard.read_any(ask)
    if key_id is None:
        async with shard.database.driver() as driver:
            key_id = await ask(driver)
    return None if key_id is None else FoundKey(service_id, key_id)
