"""When keys were last used, noted in memory and written now and then."""

from __future__ import annotations

import asyncio
from datetime import datetime
from uuid import UUID

import asyncpg
import structlog

from commands.keys.note_key_use import NoteKeyUse, note_key_use
from storage.error_kinds import kind_of
from storage.postgres.pools import UNREACHABLE
from storage.shards import Shards

log = structlog.get_logger()
WRITE_SECONDS = 30.0
MOST_NOTED = 100_000


class KeyUse:
    """Bounded: what does not fit is noted at its next use."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._used_at: dict[tuple[UUID, UUID], datetime] = {}

    def note(self, key: tuple[UUID, UUID], now: datetime) -> None:
        """A key is used.

        Args:
            key: Its service and id.
        """
        if key in self._used_at or len(self._used_at) < MOST_NOTED:
            self._used_at[key] = now

    async def write(self) -> None:
        """Write what was noted; while Postgres is away it stays noted."""
        used_at, self._used_at = self._used_at, {}
        if not used_at:
            return
        try:
            await note_key_use(NoteKeyUse(used_at=used_at), self._shards)
        except (*UNREACHABLE, asyncpg.PostgresError) as error:
            log.warning("key_use.not_written", error=kind_of(error))
            self._used_at = {**used_at, **self._used_at}

    async def run(self) -> None:
        """Write again and again, until cancelled."""
        while True:
            await asyncio.sleep(WRITE_SECONDS)
            await self.write()
