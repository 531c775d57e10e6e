"""Looks for runs that this worker process owns by Postgres's account, and knows nothing of.

There should be none. Without this watch, such a run and its job would be stuck while the process
lives.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from dramatiq import BrokerError
from prometheus_client import Counter
from redis.exceptions import RedisError

from commands.firing.recover_runs import OwnedRun, RecoverRuns, owned_runs, recover_runs
from storage.error_kinds import kind_of
from storage.postgres.clock_offset import read_clocks
from storage.postgres.pools import UNREACHABLE
from storage.queue.broker import RunKey
from storage.shards import Shard
from workers.worker.config import DEFAULTS, WorkerConfig
from workers.worker.ringer import Ringer

log = structlog.get_logger()
FORGOTTEN = Counter(
    "tocsin_forgotten_runs_total",
    "Runs that a worker process owned, had lost track of, and recovered.",
    ["state"],
)
GRACE = timedelta(seconds=5)
"""Only runs due for 5 s are looked at: the others are many, and most likely well."""


class ForgottenWatch:
    """Recovers a run that two looks in a row find unchanged."""

    def __init__(
        self, shard: Shard, worker_id: UUID, ringer: Ringer, config: WorkerConfig = DEFAULTS
    ) -> None:
        self._shard = shard
        self._worker_id = worker_id
        self._ringer = ringer
        self._poll_seconds = config.forgotten_poll_seconds
        self._suspects: set[OwnedRun] = set()

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await asyncio.sleep(self._poll_seconds)
            if self._shard.database.clock.wrong(read_clocks()) is not None:
                continue  # neither what is due is known, nor when an attempt ended
            try:
                freed = await self.look(datetime.now(UTC))
                await self._shard.queue.dispatch(freed)
            except (*UNREACHABLE, RedisError, BrokerError) as error:
                log.warning("forgotten.not_looked_for", error=kind_of(error))
            except Exception:
                # One run may have caused it: the process must ring the others all the same.
                log.exception("forgotten.look_broken")

    async def look(self, now: datetime) -> list[RunKey]:
        """Recover runs that the previous look found, too; return those to dispatch."""
        async with self._shard.database.driver() as driver:
            owned = await owned_runs(driver, self._worker_id, now - GRACE)
        unknown = {run for run in owned if not self._ringer.owned.owns(run.id)}
        forgotten = unknown & self._suspects
        self._suspects = unknown - forgotten
        if not forgotten:
            return []
        log.error("runs.forgotten", run_ids=[str(run.id) for run in forgotten])
        for run in forgotten:
            FORGOTTEN.labels(run.state).inc()
        command = RecoverRuns(worker_id=self._worker_id, runs=forgotten, now=now)
        return await recover_runs(command, self._shard)
