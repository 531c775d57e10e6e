"""Looks for runs of this worker process that are to be aborted, and cuts off their attempts."""

from __future__ import annotations

import asyncio
from uuid import UUID

import structlog

from storage.error_kinds import kind_of
from storage.postgres.listen import listen
from storage.postgres.pools import UNREACHABLE
from storage.runs.aborts import ABORT_CHANNEL, note_aborted, runs_to_abort
from storage.shards import Shard
from workers.worker.config import DEFAULTS, WorkerConfig
from workers.worker.ringer import Ringer

log = structlog.get_logger()


class AbortWatch:
    """Looks on each notification, and once a second in case one was lost."""

    def __init__(
        self, shard: Shard, worker_id: UUID, ringer: Ringer, config: WorkerConfig = DEFAULTS
    ) -> None:
        self._shard = shard
        self._worker_id = worker_id
        self._ringer = ringer
        self._poll_seconds = config.abort_poll_seconds
        self._notified = asyncio.Event()

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(listen(self._shard.urls.primary, ABORT_CHANNEL, self._notify))
            tasks.create_task(self._keep_looking())

    async def look(self) -> None:
        """Cut off attempts of aborted runs; note in Postgres those that have no attempt here."""
        async with self._shard.database.driver() as driver:
            run_ids = await runs_to_abort(driver, self._worker_id)
            if not run_ids:
                return
            self._ringer.attempts.abort(run_ids)
            over = [run_id for run_id in run_ids if not self._ringer.owned.has_attempt(run_id)]
            await note_aborted(driver, self._worker_id, over)

    def _notify(self, _: str) -> None:
        self._notified.set()

    async def _keep_looking(self) -> None:
        while True:
            self._notified.clear()
            try:
                await self.look()
            except UNREACHABLE as error:
                log.warning("aborts.not_seen", error=kind_of(error))
            try:
                async with asyncio.timeout(self._poll_seconds):
                    await self._notified.wait()
            except TimeoutError:
                pass
