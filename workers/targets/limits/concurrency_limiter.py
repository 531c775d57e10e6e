"""Slots for attempts under way in a worker process, shared among services."""

from __future__ import annotations

from uuid import UUID

SHARE = 8
"""A service may lease at most 8 slots for each free one, so that others find some: of 512 slots,
one service alone gets 456, two services get 241 each."""


class ServiceLeases:
    """The slots that one service leases. Compared by identity, because UUIDs are slow to hash."""

    __slots__ = ("count", "service_id")

    def __init__(self, service_id: UUID) -> None:
        self.service_id = service_id
        self.count = 0


class ConcurrencyLimiter:
    """Bounds the attempts under way; an attempt leases a slot until it is recorded."""

    def __init__(self, size: int) -> None:
        self.free = size

    def admits(self, leases: ServiceLeases) -> bool:
        """Whether a service may lease another slot."""
        return leases.count < SHARE * self.free

    def lease(self, leases: ServiceLeases) -> None:
        """Lease a slot to a service."""
        self.free -= 1
        leases.count += 1

    def release(self, leases: ServiceLeases) -> None:
        """Return a service's slot."""
        self.free += 1
        leases.count -= 1
