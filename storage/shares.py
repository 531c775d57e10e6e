"""How much one service may have under way at once, so that others find room beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from prometheus_client import Counter

PART_OF_A_POOL = 4
"""A service has a quarter of a pool's connections at most."""
WAIT_SECONDS = 5.0
MOST_WAITING = 200
"""Of one service in one process; each may hold a body in memory."""


USED_UP = Counter(
    "tocsin_shares_used_up_total",
    "Requests refused as their service had as much under way as it may, by what it was.",
    ["share"],
)


class ShareUsedUp(Exception):
    """A service has as much under way as it may, and waited in vain for some of it to end."""


class _Share:
    """Attributes:
    users: Those that have a part of it, and those that wait for one.
    """

    __slots__ = ("free", "users")

    def __init__(self, most: int) -> None:
        self.free = asyncio.Semaphore(most)
        self.users = 0


class Shares:
    """So many at once of each service; what comes then waits until one of its own ends.

    Args:
        most: At once, of one service.
        name: What of, for the metric.

    Attributes:
        wait_seconds: For so long what comes then waits.
    """

    def __init__(self, most: int, name: str) -> None:
        self.most = most
        self.name = name
        self.wait_seconds = WAIT_SECONDS
        # By number: a UUID reckons its hash anew each time.
        self._shares: dict[int, _Share] = {}

    @classmethod
    def of_a_pool(cls, size: int, name: str) -> Shares:
        """Those of a pool of so many connections."""
        return cls(max(size // PART_OF_A_POOL, 1), name)

    @asynccontextmanager
    async def of(self, service_id: UUID) -> AsyncIterator[None]:
        """Run the block as one of the service's.

        Raises:
            ShareUsedUp: When none of the others ends in time, or too many wait already.
        """
        key = service_id.int
        share = self._shares.get(key)
        if share is None:
            share = self._shares[key] = _Share(self.most)
        if share.users >= self.most + MOST_WAITING:
            note_used_up(self.name)
            raise ShareUsedUp
        share.users += 1
        try:
            await self._take(share)
            try:
                yield
            finally:
                share.free.release()
        finally:
            share.users -= 1
            if not share.users:
                del self._shares[key]

    async def _take(self, share: _Share) -> None:
        if not share.free.locked():
            await share.free.acquire()  # at once
            return
        try:
            async with asyncio.timeout(self.wait_seconds):
                await share.free.acquire()
        except TimeoutError:
            note_used_up(self.name)
            raise ShareUsedUp from None


def note_used_up(share: str) -> None:
    """Count a refusal, by what of a service was used up."""
    USED_UP.labels(share).inc()
