"""Watches for runs of this worker process that were asked to end, and cuts their attempts off."""

from __future__ import annotations

import asyncio
from uuid import UUID

import structlog

from storage.aborts import ABORT_CHANNEL, note_aborted, runs_to_abort
from storage.error_kinds import kind_of
from storage.listening import listen
from storage.postgres import UNREACHABLE
from storage.shards import Shard
from workers.worker.intake import Ringer

log = structlog.get_logger()
LOOK_SECONDS = 1.0


class AbortWatch:
    """Looks when something is announced, and once a second."""

    def __init__(self, shard: Shard, worker_id: UUID, ringer: Ringer) -> None:
        self._shard = shard
        self._worker_id = worker_id
        self._ringer = ringer
        self._told = asyncio.Event()

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(listen(self._shard.urls.primary, ABORT_CHANNEL, self._tell))
            tasks.create_task(self._keep_looking())

    async def look(self) -> None:
        """Cut off what is to be cut off, and forget what rings no more."""
        async with self._shard.database.driver() as driver:
            run_ids = await runs_to_abort(driver, self._worker_id)
            if not run_ids:
                return
            self._ringer.abort(run_ids)
            over = [run_id for run_id in run_ids if not self._ringer.holds(run_id)]
            await note_aborted(driver, self._worker_id, over)

    def _tell(self, _: str) -> None:
        self._told.set()

    async def _keep_looking(self) -> None:
        while True:
            self._told.clear()
            try:
                await self.look()
            except UNREACHABLE as error:
                log.warning("aborts.not_seen", error=kind_of(error))
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._told.wait()
            except TimeoutError:
                pass
