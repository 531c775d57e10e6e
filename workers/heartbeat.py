"""One row a process, touched every second: what the process holds is its own while it beats."""

from __future__ import annotations

import asyncio
import os
import socket
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from storage.error_kinds import kind_of
from storage.heartbeats import LAPSE
from storage.postgres import UNREACHABLE, Database
from workers.vitals import Vitals

log = structlog.get_logger()
INTERVAL = timedelta(seconds=1)

_BEAT = """
INSERT INTO workers (id, kind, host, pid, started_at, heartbeat_at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (id) DO UPDATE SET heartbeat_at = excluded.heartbeat_at
"""


class Heartbeat:
    """Keeps one process's row fresh, and knows how long it has been doing so without a gap."""

    def __init__(
        self, process_id: UUID, kind: str, database: Database, vitals: Vitals | None = None
    ) -> None:
        self.process_id = process_id
        self._kind = kind
        self._database = database
        self._vitals = vitals or Vitals()
        self._started_at = datetime.now(UTC)
        self._last_beat: datetime | None = None
        self._steady_since: datetime | None = None

    async def run(self) -> None:
        """Beat until cancelled; a beat that fails is tried again at the next interval."""
        while True:
            self._vitals.beat("heartbeat")
            try:
                await self.beat(datetime.now(UTC))
            except UNREACHABLE as error:
                log.warning("heartbeat.missed", error=kind_of(error))
            await asyncio.sleep(INTERVAL.total_seconds())

    async def beat(self, now: datetime) -> None:
        """Touch the row."""
        async with self._database.driver() as driver:
            await driver.execute(
                _BEAT,
                self.process_id,
                self._kind,
                socket.gethostname(),
                os.getpid(),
                self._started_at,
                now,
            )
        if self._last_beat is None or now - self._last_beat > LAPSE / 2:
            self._steady_since = now
        self._last_beat = now

    def may_judge(self, now: datetime) -> bool:
        """Whether this process may call others dead.

        When the primary was away nobody could beat, so whoever just came back must first give
        the others the time to be heard again.
        """
        beating = self._last_beat is not None and now - self._last_beat <= LAPSE / 2
        return beating and self._steady_since is not None and now - self._steady_since > LAPSE

    async def stop(self) -> None:
        """Remove the row: this process holds nothing any more."""
        async with self._database.driver() as driver:
            await driver.execute("DELETE FROM workers WHERE id = $1", self.process_id)
