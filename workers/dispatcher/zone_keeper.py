"""Keeps the fire times of all jobs as the newest time zone tables have them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import asyncpg
import structlog

from commands.jobs.reckon_zones import Reckoned, ReckonZones, reckon_zones
from domain.schedules.clocks.zones import VERSION
from storage.error_kinds import kind_of
from storage.postgres.clock_offset import Moment, read_clocks
from storage.postgres.pools import UNREACHABLE
from storage.shards import Shard
from storage.shares import ShareUsedUp

log = structlog.get_logger()
LOOK_SECONDS = 10.0
REST_FACTOR = 5
"""A batch is followed by a rest 5 times as long, so that firing goes first."""
FIRST_SECONDS = 3.0
"""A dispatcher that starts recomputes for at most 3 s before it claims, next fire times first."""
SOON = timedelta(minutes=1)
_TROUBLE = (*UNREACHABLE, asyncpg.PostgresError, ShareUsedUp)


class ZoneKeeper:
    """One dispatcher's part; one dispatcher at a time makes a pass over all jobs.

    Args:
        version: The version of this process's tables.
        look_seconds: How often a pass to make is looked for.
    """

    def __init__(
        self,
        shard: Shard,
        process_id: UUID,
        version: str = VERSION,
        clocks: Callable[[], Moment] = read_clocks,
        *,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._look_seconds = look_seconds
        self._shard = shard
        self._id = process_id
        self._version = version
        self._clocks = clocks
        self._starts = True

    async def begin(self) -> None:
        """Recompute jobs that are due soon before they are claimed, if that takes less than 3 s."""
        try:
            async with asyncio.timeout(FIRST_SECONDS):
                while True:
                    done = await self.look()
                    if done.reached is None or done.reached > self._clocks().wall + SOON:
                        return
        except TimeoutError:
            log.warning("zones.not_reckoned_before_claims")
        except _TROUBLE as error:
            log.warning("zones.not_reckoned", error=kind_of(error))
        except Exception:
            log.exception("zones.broken")

    async def run(self) -> None:
        """Make passes until cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            began, done = clock(), Reckoned()
            try:
                done = await self.look()
            except _TROUBLE as error:
                log.warning("zones.not_reckoned", error=kind_of(error))
            except Exception:
                # One job may have caused it: the others must fire all the same.
                log.exception("zones.broken")
            rest = REST_FACTOR * (clock() - began)
            await asyncio.sleep(self._look_seconds if done.reached is None else rest)

    async def look(self) -> Reckoned:
        """Make one batch of the pass under way, if it is this process's."""
        command = ReckonZones(
            process_id=self._id,
            version=self._version,
            now=self._clocks().wall,
            starts=self._starts,
        )
        done = await reckon_zones(command, self._shard)
        self._starts = False
        return done
