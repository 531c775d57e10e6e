"""Connections: what an error leaves in disorder is not used again, and a commit stays a commit."""

from __future__ import annotations

import asyncpg
import pytest

from storage.shards import Shards


async def backend(shards: Shards) -> int:
    async with shards.all()[0].database.driver() as driver:
        pid: int = await driver.fetchval("SELECT pg_backend_pid()")
        return pid


async def test_after_trouble_the_next_one_gets_another_connection(shards: Shards) -> None:
    before = await backend(shards)
    with pytest.raises(asyncpg.InternalClientError):
        async with shards.all()[0].database.driver():
            raise asyncpg.InternalClientError("another operation is in progress")
    assert await backend(shards) != before


async def test_after_a_refusal_the_connection_is_kept(shards: Shards) -> None:
    before = await backend(shards)
    with pytest.raises(asyncpg.UniqueViolationError):
        async with shards.all()[0].database.driver():
            raise asyncpg.UniqueViolationError("there is one")
    assert await backend(shards) == before


async def test_no_connection_of_ours_relaxes_what_a_commit_means(shards: Shards):
    database = shards.all()[0].database
    async with database.driver() as driver:
        seen = [await driver.fetchval("SHOW synchronous_commit")]
    async with database.transaction() as driver:
        seen.append(await driver.fetchval("SHOW synchronous_commit"))
    assert seen == ["on", "on"]
