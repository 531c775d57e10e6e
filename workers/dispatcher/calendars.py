"""Applies changes of calendars to their jobs, where the request left that to dispatchers."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import structlog

from storage.error_kinds import kind_of
from storage.jobs.calendar_changes import oldest_change
from storage.postgres.clock_offset import read_clocks
from storage.postgres.pools import UNREACHABLE
from storage.shards import Shard
from storage.shares import ShareUsedUp

log = structlog.get_logger()
LOOK_SECONDS = 1.0


class Calendars:
    """One loop of a dispatcher; several dispatchers work on different changes."""

    def __init__(self, shard: Shard, look_seconds: float = LOOK_SECONDS) -> None:
        self._shard = shard
        self._look_seconds = look_seconds

    async def run(self) -> None:
        """Work until cancelled; after each step, rest as long as it took."""
        clock = asyncio.get_running_loop().time
        while True:
            began = clock()
            try:
                more = await self.step(datetime.now(UTC))
            except (ShareUsedUp, *UNREACHABLE) as error:
                log.warning("calendars.not_continued", error=kind_of(error))
                more = False
            except Exception:
                # One job may have caused it: the others must fire all the same.
                log.exception("calendars.broken")
                more = False
            await asyncio.sleep(clock() - began if more else self._look_seconds)

    async def step(self, now: datetime) -> bool:
        """Apply a change to some jobs; return whether more are left."""
        if self._shard.database.clock.trouble(read_clocks()):
            return False
        async with self._shard.database.reading() as driver:
            oldest = await oldest_change(driver)
        if oldest is None:
            return False
        await asyncio.to_thread(_import_sqlalchemy)
        from commands.calendars.continue_calendars import (  # noqa: PLC0415
            ContinueCalendar,
            continue_calendar,
        )

        service_id, change = oldest
        command = ContinueCalendar(service_id=service_id, change=change, now=now)
        return await continue_calendar(command, self._shard)


def _import_sqlalchemy() -> None:
    """Import what a dispatcher needs for nothing else: not in the event loop."""
    import commands.calendars.continue_calendars  # noqa: F401, PLC0415
