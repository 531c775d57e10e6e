"""The heartbeat of a process: a row touched every second. While it beats, it owns its runs."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import structlog

from domain.schedules.clocks.zones import VERSION
from storage.error_kinds import kind_of
from storage.postgres.clock_offset import Moment, read_clocks
from storage.postgres.heartbeats import LAPSE, Beat, leave, write_beat
from storage.postgres.pools import UNREACHABLE, Database
from workers.process_health import ProcessHealth

log = structlog.get_logger()
INTERVAL = timedelta(seconds=1)
_LAPSE_SECONDS = LAPSE.total_seconds()


class Heartbeat:
    """Touches the row, and measures the offset of the process's clock to the database's."""

    def __init__(
        self,
        process_id: UUID,
        kind: str,
        database: Database,
        health: ProcessHealth | None = None,
        clocks: Callable[[], Moment] = read_clocks,
    ) -> None:
        self.process_id = process_id
        self._kind = kind
        self._database = database
        self._health = health or ProcessHealth()
        self._clocks = clocks
        self._started_at = clocks().wall
        self._last_beat: float | None = None
        self._steady_since: float | None = None

    async def begin(self) -> None:
        """Beat for the first time, as soon as the database answers."""
        while True:
            try:
                return await self.beat()
            except UNREACHABLE as error:
                log.warning("heartbeat.waiting_for_postgres", error=kind_of(error))
                await asyncio.sleep(INTERVAL.total_seconds())

    async def run(self) -> None:
        """Beat until cancelled; a failed beat is repeated after the interval."""
        while True:
            self._health.beat("heartbeat")
            try:
                await self.beat()
            except UNREACHABLE as error:
                log.warning("heartbeat.missed", error=kind_of(error))
            await asyncio.sleep(INTERVAL.total_seconds())

    async def beat(self) -> None:
        """Touch the row."""
        async with self._database.driver() as driver:
            asked = self._clocks()
            database_now = await write_beat(driver, self._as_it_is())
            answered = self._clocks()
        self._database.clock.measured(asked, database_now, answered)
        self._note(asked.monotonic)

    def _as_it_is(self) -> Beat:
        return Beat(
            process_id=self.process_id,
            kind=self._kind,
            host=socket.gethostname(),
            pid=os.getpid(),
            started_at=self._started_at,
            clock_offset_ms=self._database.clock.milliseconds,
            tzdata=VERSION,
        )

    def _note(self, at: float) -> None:
        if self._last_beat is None or at - self._last_beat > _LAPSE_SECONDS / 2:
            self._steady_since = at
        self._last_beat = at

    def may_judge(self) -> bool:
        """Whether this process may declare others dead.

        While the primary was away, nobody could beat. So a process must have beaten without a gap
        for longer than others need to beat again.
        """
        if self._last_beat is None or self._steady_since is None:
            return False
        now = self._clocks().monotonic
        is_beating = now - self._last_beat <= _LAPSE_SECONDS / 2
        return is_beating and now - self._steady_since > _LAPSE_SECONDS

    async def stop(self) -> None:
        """Remove the row: this process owns nothing any more."""
        async with self._database.driver() as driver:
            await leave(driver, self.process_id)
