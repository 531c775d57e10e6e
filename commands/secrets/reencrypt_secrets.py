"""Encrypt all secrets anew with the first key, so that the others can go."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
from msgspec import Struct

from domain.access.caller import Caller
from domain.access.scopes import INSTALLATION
from storage.crypto.encryption_keys import EncryptionKeys, Sealed
from storage.postgres.pools import Database, Driver
from storage.services.audit import record
from storage.services.secrets import associated_data_of
from storage.services.signing_secrets import sealed_anew, stored_of, written

AT_ONCE = 200
_START = UUID(int=0)

_SECRETS = """
SELECT service_id, name, key_id, content FROM secrets
WHERE (service_id, name) > ($1, $2) ORDER BY service_id, name LIMIT $3
"""
# A secret that got another value meanwhile is encrypted with the first key already.
_REPLACE_SECRETS = """
UPDATE secrets SET key_id = $5, content = new.content
FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::bytea[])
    AS new (service_id, name, former, content)
WHERE secrets.service_id = new.service_id AND secrets.name = new.name
    AND secrets.content = new.former
"""
_SERVICES = """
SELECT id, created_at, signing_secrets FROM services WHERE id >= $1 AND signing_secrets <> '{}'
ORDER BY id LIMIT $2 FOR NO KEY UPDATE
"""
_REPLACE_SIGNING_SECRETS = "UPDATE services SET signing_secrets = $2 WHERE id = $1"


class ReencryptSecrets(Struct, frozen=True, kw_only=True):
    """Attributes:
    at_once: Rows of a batch.
    """

    now: datetime
    at_once: int = AT_ONCE


async def reencrypt_secrets(
    command: ReencryptSecrets, database: Database, keys: EncryptionKeys
) -> tuple[int, int]:
    """Go through all secrets in batches; safe at any time, and to repeat when interrupted.

    Returns:
        How many secrets and how many services' signing secrets were encrypted anew.

    Raises:
        Undecipherable: When there are no keys, or one is missing; what was done so far stays.
    """
    key_id = keys.first
    at_once = command.at_once
    counts = (
        await _secrets(database, keys, at_once),
        await _signing_secrets(database, keys, at_once),
    )
    async with database.driver() as driver:
        await record(
            driver,
            Caller(service_id=INSTALLATION, principal="operator", request_id=""),
            "secrets.reencrypted",
            INSTALLATION,
            command.now,
            key_id=key_id,
            secrets=counts[0],
            services=counts[1],
        )
    return counts


async def _secrets(database: Database, keys: EncryptionKeys, at_once: int) -> int:
    position, count = (_START, ""), 0
    while True:
        async with database.driver() as driver:
            rows = await driver.fetch(_SECRETS, *position, at_once)
            if not rows:
                return count
            old = [row for row in rows if row["key_id"] != keys.first]
            await _replace(driver, old, keys)
        count += len(old)
        position = rows[-1]["service_id"], rows[-1]["name"]


async def _replace(driver: Driver, rows: Sequence[asyncpg.Record], keys: EncryptionKeys) -> None:
    places = [associated_data_of(row["service_id"], row["name"]) for row in rows]
    sealed = [
        keys.seal(keys.open(Sealed(row["key_id"], row["content"]), place), place)
        for row, place in zip(rows, places, strict=True)
    ]
    await driver.execute(
        _REPLACE_SECRETS,
        [place.service_id for place in places],
        [place.name for place in places],
        [row["content"] for row in rows],
        [one.content for one in sealed],
        keys.first,
    )


async def _signing_secrets(database: Database, keys: EncryptionKeys, at_once: int) -> int:
    position, count = _START, 0
    while True:
        async with database.driver() as driver, driver.transaction():
            rows = await driver.fetch(_SERVICES, position, at_once)
            for row in rows:
                count += await _reseal(driver, row, keys)
        if len(rows) < at_once:
            return count
        position = UUID(int=rows[-1]["id"].int + 1)


async def _reseal(driver: Driver, row: asyncpg.Record, keys: EncryptionKeys) -> bool:
    stored = stored_of(row["signing_secrets"], row["id"], row["created_at"])
    anew = [written(sealed_anew(one, row["id"], keys)) for one in stored]
    if anew == row["signing_secrets"]:
        return False
    await driver.execute(_REPLACE_SIGNING_SECRETS, row["id"], anew)
    return True
