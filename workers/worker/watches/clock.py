"""While the clock of a worker process is wrong, other workers do its work."""

from __future__ import annotations

import asyncio

import dramatiq
import structlog
from dramatiq import BrokerError
from redis.exceptions import RedisError

from storage.error_kinds import kind_of
from storage.postgres.clock_offset import read_clocks
from storage.postgres.pools import UNREACHABLE
from storage.shards import Shard
from workers.worker.ringer import Ringer

log = structlog.get_logger()
LOOK_SECONDS = 0.25


class ClockWatch:
    """Pauses the fetching of messages and gives back queued runs, while the clock is wrong.

    Attempts under way go on: they do not need the wall clock.
    """

    def __init__(self, shard: Shard, ringer: Ringer, threads: dramatiq.Worker) -> None:
        self._shard = shard
        self._ringer = ringer
        self._threads = threads

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            is_wrong = self._shard.database.clock.wrong(read_clocks()) is not None
            self._fetch(is_wanted=not is_wrong)
            if is_wrong:
                await self._pass_on()
            await asyncio.sleep(LOOK_SECONDS)

    def _fetch(self, *, is_wanted: bool) -> None:
        # The threads go on: they dispatch again what was fetched.
        for consumer in self._threads.consumers.values():
            if is_wanted and consumer.paused:
                consumer.resume()
            elif not is_wanted and not consumer.paused:
                consumer.pause()

    async def _pass_on(self) -> None:
        try:
            given_back = await self._ringer.intake.give_back()
            await self._shard.queue.dispatch(given_back)
        except (*UNREACHABLE, RedisError, BrokerError) as error:
            # Sweeps find runs that are free and not dispatched.
            log.warning("worker.not_passed_on", error=kind_of(error))
