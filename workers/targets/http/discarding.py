"""Bounds how fast the rest of long answers is read, so that no service takes up the event loop."""

from __future__ import annotations

import asyncio
from uuid import UUID

from cachetools import LRUCache

from workers.targets.http.config import DEFAULTS, TransportConfig

BYTES_PER_SECOND = 64 * 2**20
"""A service discards 64 MiB a second of all its targets' answers, in a worker process."""
LONGEST_REST_SECONDS = 1.0
_SERVICES = 10_000


class Discarding:
    """Make it inside the event loop that uses it. The first 4 MiB are never waited for."""

    def __init__(self, config: TransportConfig = DEFAULTS) -> None:
        self._at_once_seconds = config.discard_at_once_seconds
        self._loop = asyncio.get_running_loop()
        self._until: LRUCache[UUID | None, float] = LRUCache(_SERVICES)

    def seconds(self, service: UUID | None, size: int) -> float:
        """How long to rest after discarding so many bytes; 0 or less means not at all."""
        now = self._loop.time()
        until = max(self._until.get(service, 0.0), now - self._at_once_seconds)
        until = min(until + size / BYTES_PER_SECOND, now + LONGEST_REST_SECONDS)
        self._until[service] = until
        return until - now
