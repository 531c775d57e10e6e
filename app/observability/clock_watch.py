"""How far the clock of an API process is from the primary's; beyond a second it takes no writes.

What it stores is reckoned from its own now: when a trigger is due, what a pause accounts for.
"""

from __future__ import annotations

import asyncio

import asyncpg

from storage.postgres.clock_offset import read_clocks
from storage.postgres.heartbeats import measure_clock
from storage.postgres.pools import UNREACHABLE
from storage.shards import Shards

MEASURE_SECONDS = 1.0


class ClockWatch:
    """Measures the clock again and again, and says what is wrong with it."""

    def __init__(self, shards: Shards) -> None:
        self._databases = [shard.database for shard in shards.all()]

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            for database in self._databases:
                try:
                    await measure_clock(database)
                except (asyncpg.PostgresError, *UNREACHABLE):
                    pass  # it is as right as it was; who asks for the servers is told
            await asyncio.sleep(MEASURE_SECONDS)

    def wrong(self) -> str | None:
        """What is wrong, in words."""
        now = read_clocks()
        return next(filter(None, (database.clock.wrong(now) for database in self._databases)), None)
