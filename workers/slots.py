"""Places for attempts under way, which services share."""

from __future__ import annotations

from uuid import UUID

SHARE = 8
"""A service may have so many times as many as are free, so that some are free for the others:
of 512, one alone can have 456, two can have 241 each, and so on."""


class Slots:
    """A worker process's places for attempts under way, until they are recorded."""

    def __init__(self, size: int) -> None:
        self.free = size
        self._held: dict[UUID, int] = {}

    def admits(self, service_id: UUID) -> bool:
        """Whether there is a place for a service."""
        return self._held.get(service_id, 0) < SHARE * self.free

    def take(self, service_id: UUID) -> None:
        """Occupy a place."""
        self.free -= 1
        self._held[service_id] = self._held.get(service_id, 0) + 1

    def give_back(self, service_id: UUID) -> None:
        """Leave a place."""
        self.free += 1
        left = self._held[service_id] - 1
        if left:
            self._held[service_id] = left
        else:
            del self._held[service_id]
