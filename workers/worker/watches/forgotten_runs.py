"""Watches for runs that Postgres says this worker process owns, and that it knows nothing of.

There should be none. One that is lost all the same would stay as it is while the process lives, and
so would its job.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from dramatiq import BrokerError
from prometheus_client import Counter
from redis.exceptions import RedisError

from commands.recover_runs import OwnedRun, RecoverRuns, owned_runs, recover_runs
from storage.clock_offset import read_clocks
from storage.error_kinds import kind_of
from storage.postgres import UNREACHABLE
from storage.queue import RunKey
from storage.shards import Shard
from workers.worker.intake import Ringer

log = structlog.get_logger()
FORGOTTEN = Counter(
    "tocsin_forgotten_runs_total",
    "Runs that their worker process owned and knew nothing of, and which it recovered.",
    ["state"],
)
LOOK_SECONDS = 10.0
GRACE = timedelta(seconds=5)
"""Runs are looked at that have been due for so long: the others are many, and most likely well."""


class ForgottenWatch:
    """Looks twice, with time in between: a run that is moved on meanwhile is not the same."""

    def __init__(self, shard: Shard, worker_id: UUID, ringer: Ringer) -> None:
        self._shard = shard
        self._worker_id = worker_id
        self._ringer = ringer
        self._suspects: set[OwnedRun] = set()

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if self._shard.database.clock.wrong(read_clocks()) is not None:
                continue  # what is due is not known, nor when an attempt ended
            try:
                freed = await self.look(datetime.now(UTC))
                await self._shard.queue.hand_over(freed)
            except (*UNREACHABLE, RedisError, BrokerError) as error:
                log.warning("forgotten.not_looked_for", error=kind_of(error))
            except Exception:
                # Of one run, perhaps: the process is to ring the others all the same.
                log.exception("forgotten.look_broken")

    async def look(self, now: datetime) -> list[RunKey]:
        """Recover what the look before this one found, too; return what is to be handed over."""
        async with self._shard.database.driver() as driver:
            owned = await owned_runs(driver, self._worker_id, now - GRACE)
        unknown = {run for run in owned if not self._ringer.has_in_hand(run.id)}
        forgotten = unknown & self._suspects
        self._suspects = unknown - forgotten
        if not forgotten:
            return []
        log.error("runs.forgotten", run_ids=[str(run.id) for run in forgotten])
        for run in forgotten:
            FORGOTTEN.labels(run.state).inc()
        command = RecoverRuns(worker_id=self._worker_id, runs=forgotten, now=now)
        return await recover_runs(command, self._shard)
