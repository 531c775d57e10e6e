"""Counts ended runs in the statistics, within about a second."""

from __future__ import annotations

import asyncio
from datetime import datetime

import structlog
from dramatiq import BrokerError
from prometheus_client import Counter
from redis.exceptions import RedisError

from commands.statistics.aggregate_run_events import AggregateRunEvents, aggregate_run_events
from storage.error_kinds import kind_of
from storage.postgres.pools import Database
from storage.queue.broker import RunQueue

log = structlog.get_logger()
AGGREGATED = Counter("tocsin_folded_runs_total", "Ended runs that were counted in the statistics.")
ASK_SECONDS = 1.0
"""A process asks at most once a second for an aggregation."""


async def aggregate_all(database: Database, now: datetime) -> None:
    """Count all ended runs that are not counted yet, unless another process does; in batches."""
    more = True
    while more:
        runs, more = await aggregate_run_events(AggregateRunEvents(now=now), database)
        AGGREGATED.inc(runs)


class AggregationRequests:
    """Has a worker count ended runs. A lost request is made up for by the minute clock."""

    def __init__(self, queue: RunQueue, ask_seconds: float = ASK_SECONDS) -> None:
        self._queue = queue
        self._ask_seconds = ask_seconds
        self._wanted = asyncio.Event()

    def runs_ended(self) -> None:
        """Request an aggregation soon."""
        self._wanted.set()

    async def run(self) -> None:
        """Send requests until cancelled."""
        while True:
            await self._wanted.wait()
            await asyncio.sleep(self._ask_seconds)
            self._wanted.clear()
            try:
                await self._queue.ask_to_aggregate()
            except (RedisError, BrokerError) as error:
                log.warning("fold.not_asked_for", error=kind_of(error))
