"""Statistics follow the runs: a message asks for a fold soon after runs have ended."""

from __future__ import annotations

import asyncio
from datetime import datetime

import structlog
from dramatiq import BrokerError
from prometheus_client import Counter
from redis.exceptions import RedisError

from commands.fold_run_events import FoldRunEvents, fold_run_events
from storage.error_kinds import kind_of
from storage.postgres import Database
from storage.queue import RunQueue

log = structlog.get_logger()
FOLDED = Counter("tocsin_folded_runs_total", "Ended runs that were counted in the statistics.")
ASK_SECONDS = 1.0
"""A process asks once for all runs that end within so long."""


async def fold_all(database: Database, now: datetime) -> None:
    """Count the runs of all events that wait, unless somebody does; a transaction for every few."""
    more = True
    while more:
        runs, more = await fold_run_events(FoldRunEvents(now=now), database)
        FOLDED.inc(runs)


class FoldRequests:
    """Asks for folds, at most one a second; what is lost is made up for by the minute clock."""

    def __init__(self, queue: RunQueue) -> None:
        self._queue = queue
        self._wanted = asyncio.Event()

    def runs_ended(self) -> None:
        """Have a fold asked for soon."""
        self._wanted.set()

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            await self._wanted.wait()
            await asyncio.sleep(ASK_SECONDS)
            self._wanted.clear()
            try:
                await self._queue.ask_to_fold()
            except (RedisError, BrokerError) as error:
                log.warning("fold.not_asked_for", error=kind_of(error))
