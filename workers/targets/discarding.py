"""How fast what is read for its end alone is read: no service takes an event loop for that."""

from __future__ import annotations

import asyncio
from uuid import UUID

from cachetools import LRUCache

BYTES_PER_SECOND = 64 * 2**20
"""Of all answers of a service's targets together, in a worker process."""
AT_ONCE_SECONDS = 1 / 16
"""So much may be ahead of that, and so is never waited for: 4 MiB."""
LONGEST_REST_SECONDS = 1.0
_SERVICES = 10_000


class Discarding:
    """Shares out what a service may discard. Make it inside the event loop that uses it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._until: LRUCache[UUID | None, float] = LRUCache(_SERVICES)

    def seconds(self, service: UUID | None, size: int) -> float:
        """How long to rest after so many bytes; 0 or less means not at all."""
        now = self._loop.time()
        until = max(self._until.get(service, 0.0), now - AT_ONCE_SECONDS)
        until = min(until + size / BYTES_PER_SECOND, now + LONGEST_REST_SECONDS)
        self._until[service] = until
        return until - now
