"""Room in a ringer: whoever brings runs waits for it, and so the queue does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

MAY_WAIT = 3
"""So many messages may wait: one thread less than there are, for what goes ahead."""
PUSH_BACK_SECONDS = 0.05
"""Further ones go back to the queue after this."""
LOOK_AGAIN_SECONDS = 1.0
"""What is left of a message is asked for again so soon, whatever is let go meanwhile."""


class Room:
    """Tells when there is room.

    Args:
        is_there: Whether there is now.
    """

    def __init__(self, is_there: Callable[[], bool]) -> None:
        self._is_there = is_there
        self._changed = asyncio.Event()
        self._waiting = 0
        self._closed = False

    async def found(self) -> bool:
        """Wait for room; False when there will be none, or too many wait for it."""
        return await self._until(self._is_there)

    async def freed(self, enough: Callable[[], bool]) -> bool:
        """Wait, for a while, until there is room for what is left of a message; False as above."""
        try:
            async with asyncio.timeout(LOOK_AGAIN_SECONDS):
                return await self._until(enough)
        except TimeoutError:
            return not self._closed

    def tell(self) -> None:
        """There may be room now."""
        if self._waiting:
            self._changed.set()
            self._changed = asyncio.Event()

    def close(self) -> None:
        """Send away whoever waits."""
        self._closed = True
        self.tell()

    async def _until(self, is_there: Callable[[], bool]) -> bool:
        if not is_there() and self._waiting >= MAY_WAIT:
            await asyncio.sleep(PUSH_BACK_SECONDS)
            return False
        self._waiting += 1
        try:
            while not (is_there() or self._closed):
                await self._changed.wait()
        finally:
            self._waiting -= 1
        return not self._closed
