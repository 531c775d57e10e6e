"""Whether requests can be served: asked of the servers once a second, however many want to know."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

from queries.operations.check_servers import check_servers
from storage.shards import Shards

CHECK_SECONDS = 2.0
FRESH_SECONDS = 1.0


class Readiness:
    """Asks the servers, and keeps for a second what they said: anybody may want to know.

    Args:
        clock: Seconds of a clock that only goes forward.
    """

    def __init__(self, shards: Shards, clock: Callable[[], float] = time.monotonic) -> None:
        self._shards = shards
        self._clock = clock
        self._asking: asyncio.Task[Mapping[str, str]] | None = None
        self._asked_at = 0.0

    async def servers(self) -> Mapping[str, str]:
        """`ok` or a few words of ours, by server."""
        asking = self._asking
        if asking is None or (asking.done() and self._clock() - self._asked_at >= FRESH_SECONDS):
            self._asked_at = self._clock()
            asking = self._asking = asyncio.create_task(self._ask())
        return await asyncio.shield(asking)

    async def _ask(self) -> Mapping[str, str]:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                return await check_servers(self._shards)
        except TimeoutError:
            return {"primary": f"no answer within {CHECK_SECONDS:g} s"}
