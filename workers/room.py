"""Room in a ringer: whoever brings runs waits for it, and so the queue does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

MAY_WAIT = 3
"""So many messages may wait: one thread less than there are, for what goes ahead."""
PUSH_BACK_SECONDS = 0.05
"""Further ones go back to the queue after this."""


class Room:
    """Tells when there is room.

    Args:
        is_there: Whether there is now.
    """

    def __init__(self, is_there: Callable[[], bool]) -> None:
        self._is_there = is_there
        self._changed = asyncio.Condition()
        self._waiting = 0
        self._closed = False

    async def found(self) -> bool:
        """Wait for room; False when there will be none, or too many wait for it."""
        if not self._is_there() and self._waiting >= MAY_WAIT:
            await asyncio.sleep(PUSH_BACK_SECONDS)
            return False
        self._waiting += 1
        try:
            async with self._changed:
                await self._changed.wait_for(lambda: self._is_there() or self._closed)
        finally:
            self._waiting -= 1
        return not self._closed

    async def tell(self) -> None:
        """There may be room now."""
        async with self._changed:
            self._changed.notify_all()

    async def close(self) -> None:
        """Send away whoever waits."""
        self._closed = True
        await self.tell()
