"""API keys and their services."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from datetime import UTC, datetime
from hashlib import sha256
from uuid import uuid4

from commands.keys.bootstrap_key import BootstrapKey, bootstrap_key
from domain.access.keys import service_of
from storage.shards import Shards

NOW = datetime.now(UTC)


async def rows(shards: Shards, statement: str, *arguments: object):
    async with shards.all()[0].database.driver() as driver:
        return await driver.fetch(statement, *arguments)


async def test_a_second_key_of_a_service_belongs_to_the_same_service(shards: Shards):
    command = BootstrapKey(service_name=f"test-{uuid4()}", now=NOW)
    first, second = await bootstrap_key(command, shards), await bootstrap_key(command, shards)
    assert first != second
    assert service_of(first) == service_of(second) is not None
    services = await rows(shards, "SELECT id FROM services WHERE name = $1", command.service_name)
    assert [row["id"] for row in services] == [service_of(first)]
    hashes = await rows(
        shards, "SELECT hash FROM api_keys WHERE service_id = $1", service_of(first)
    )
    assert {row["hash"] for row in hashes} == {
        sha256(key.encode()).digest() for key in (first, second)
    }


async def test_keys_made_at_once_for_a_new_service_belong_to_one_service(shards: Shards):
    command = BootstrapKey(service_name=f"test-{uuid4()}", now=NOW)
    keys = await asyncio.gather(*(bootstrap_key(command, shards) for _ in range(8)))
    assert len(set(keys)) == 8
    assert len({service_of(key) for key in keys}) == 1


async def test_a_new_service_gets_a_signing_secret_of_32_bytes(shards: Shards):
    command = BootstrapKey(service_name=f"test-{uuid4()}", now=NOW)
    service_id = service_of(await bootstrap_key(command, shards))
    ((secrets,),) = await rows(
        shards, "SELECT signing_secrets FROM services WHERE id = $1", service_id
    )
    (secret,) = secrets
    assert secret.startswith("whsec_")
    assert len(b64decode(secret.removeprefix("whsec_"), validate=True)) == 32


async def test_the_text_of_a_key_is_stored_nowhere(shards: Shards):
    key = await bootstrap_key(BootstrapKey(service_name=f"test-{uuid4()}", now=NOW), shards)
    secret = key.split("_", 2)[2]  # which may hold underscores
    for table in ("api_keys", "services", "audit"):
        stored = await rows(shards, f"SELECT t::text AS text FROM {table} AS t")
        assert stored, table
        assert not any(secret in row["text"] for row in stored)
