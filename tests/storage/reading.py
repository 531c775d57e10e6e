"""A service that writes and reads, and a replica that can be held still."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg

from app.embedded.servers import EmbeddedServers
from storage.shards import Shard
from tests.storage.eventually import eventually


class Reader:
    """Writes names as a service, and reads them where the shard sends it."""

    def __init__(self, shard: Shard, service_id: UUID | None = None) -> None:
        self.id = service_id or uuid4()
        self._shard = shard

    async def write(self) -> str:
        """Commit something, and return what to look for."""
        name = f"written-{uuid4()}"
        async with self._shard.writing(self.id) as driver:
            await driver.execute(
                "INSERT INTO services (id, name, signing_secrets, created_at)"
                " VALUES ($1, $2, '{}', $3)",
                uuid4(),
                name,
                datetime.now(UTC),
            )
        return name

    async def sees(self, name: str) -> bool:
        return await self._shard.read(
            self.id,
            lambda driver: driver.fetchval("SELECT $1 IN (SELECT name FROM services)", name),
        )

    async def on_replica(self) -> bool:
        """Whether the service's next read goes to the replica."""
        return await self._shard.read(
            self.id, lambda driver: driver.fetchval("SELECT pg_is_in_recovery()")
        )

    async def settled(self) -> Reader:
        """Read until the replica answers, so that what was written before is behind us."""
        await eventually(self.on_replica, what="the replica answers")
        return self


@asynccontextmanager
async def replay_paused(servers: EmbeddedServers) -> AsyncIterator[None]:
    """The replica receives, but does not show what it receives."""
    password = servers.replica._site.passwords.superuser
    replica = await asyncpg.connect(
        f"postgresql://postgres:{password}@127.0.0.1:{servers.replica.port}/tocsin"
    )

    async def is_paused() -> bool:
        return await replica.fetchval("SELECT pg_get_wal_replay_pause_state()") == "paused"

    try:
        await replica.execute("SELECT pg_wal_replay_pause()")
        await eventually(is_paused, what="the replica's replay is paused")
        yield
    finally:
        await replica.execute("SELECT pg_wal_replay_resume()")
        await replica.close()
