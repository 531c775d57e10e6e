"""Places for attempts under way, which services share."""

from __future__ import annotations

from uuid import UUID

SHARE = 8
"""A service may have so many times as many as are free, so that some are free for the others:
of 512, one alone can have 456, two can have 241 each, and so on."""


class Holder:
    """A service, and how many slots it has. Compared by identity: UUIDs are slow to look up."""

    __slots__ = ("held", "service_id")

    def __init__(self, service_id: UUID) -> None:
        self.service_id = service_id
        self.held = 0


class Slots:
    """A worker process's places for attempts under way, until they are recorded."""

    def __init__(self, size: int) -> None:
        self.free = size

    def admits(self, holder: Holder) -> bool:
        """Whether there is a place for a service."""
        return holder.held < SHARE * self.free

    def take(self, holder: Holder) -> None:
        """Occupy a place."""
        self.free -= 1
        holder.held += 1

    def give_back(self, holder: Holder) -> None:
        """Leave a place."""
        self.free += 1
        holder.held -= 1
