"""When a worker process takes no more runs: its queue is full, or its memory budget is used up."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence, Sized
from uuid import UUID

from prometheus_client import Gauge

from commands.firing.take_runs import ByteBudget, TakenRun
from storage.queue.broker import BATCH_SIZE, RunKey
from workers.worker.config import DEFAULTS, WorkerConfig

IN_HAND = Gauge(
    "tocsin_ringer_held_bytes",
    "Bytes of the targets of runs that wait or ring.",
    multiprocess_mode="livesum",
)
LARGEST_BYTES = 1024 * 1024
"""No target is larger: 256 KiB of body, 50 headers, authorities."""
SHARE = 4
"""A service may use at most 4 bytes for each free one, so that others find some."""
WORTH_WHILE = 4
"""A take whose rest did not fit is repeated after a quarter of the bytes in use was released."""


class MemoryBudget:
    """Counts the bytes of the targets of owned runs, and says how many more may be taken.

    Attributes:
        released: Bytes that were ever released.
    """

    def __init__(self, budget: int = DEFAULTS.memory_bytes) -> None:
        self.released = 0
        self._free = budget
        self._budget = budget
        self._of_service: Counter[UUID] = Counter()

    @property
    def in_hand(self) -> int:
        """Bytes in use and reserved."""
        return self._budget - self._free

    @property
    def has_room(self) -> bool:
        """Whether any target would fit of a service that uses no bytes."""
        return self._free >= 2 * LARGEST_BYTES

    def reserve(self, runs: Sequence[RunKey]) -> ByteBudget:
        """Reserve half of the free bytes for a take of runs; other takes may be under way."""
        most = self._free // 2
        of_service = {
            service_id: min(self._room_of(service_id), most)
            for service_id in dict.fromkeys(service_id for service_id, _ in runs)
        }
        self._free -= most
        return ByteBudget(bytes=most, of_service=of_service)

    def unreserve(self, rooms: ByteBudget) -> None:
        """End a reservation; the caller keeps what it took in the same step of the event loop."""
        self._free += rooms.bytes

    def keep(self, run: TakenRun) -> None:
        """Count a run that is owned from now on."""
        self._free -= run.bytes
        self._of_service[run.service_id] += run.bytes

    def drop(self, run: TakenRun) -> None:
        """Discount a run that is no longer owned."""
        self._free += run.bytes
        self.released += run.bytes
        left = self._of_service[run.service_id] - run.bytes
        if left > 0:
            self._of_service[run.service_id] = left
        else:
            del self._of_service[run.service_id]

    def show(self) -> None:
        """Update the metric."""
        IN_HAND.set(self.in_hand)

    def _room_of(self, service_id: UUID) -> int:
        used = self._of_service.get(service_id, 0)
        if not used:
            return max(LARGEST_BYTES, self._free * SHARE // (SHARE + 1))
        return max((self._free * SHARE - used) // (SHARE + 1), 0)


class Backpressure:
    """Holds takes back while there is no room, and the message queue with them."""

    def __init__(self, queue: Sized, memory: MemoryBudget, config: WorkerConfig = DEFAULTS) -> None:
        self._queue = queue
        self._memory = memory
        self._config = config
        self._changed = asyncio.Event()
        self._waiting = 0
        self._closed = False

    @property
    def has_room(self) -> bool:
        """Whether a whole message of runs may be taken now."""
        fits = len(self._queue) + BATCH_SIZE <= self._config.queue_capacity
        return fits and self._memory.has_room

    async def wait_for_room(self) -> bool:
        """Wait for room; False if it closes, or if too many takes wait already."""
        return await self._wait_until(lambda: self.has_room)

    async def wait_for_bytes(self, released_before: int) -> bool:
        """Wait until the rest of a message is worth another take; False as above."""
        goal = released_before + self._memory.in_hand // WORTH_WHILE
        try:
            async with asyncio.timeout(self._config.ask_again_seconds):
                return await self._wait_until(
                    lambda: self._memory.released >= goal or not self._memory.in_hand
                )
        except TimeoutError:
            return not self._closed

    def notify(self) -> None:
        """Have waiting takes look again: there may be room."""
        if self._waiting:
            self._changed.set()
            self._changed = asyncio.Event()

    def close(self) -> None:
        """Send waiting takes away."""
        self._closed = True
        self.notify()

    async def _wait_until(self, is_enough: Callable[[], bool]) -> bool:
        if not is_enough() and self._waiting >= self._config.most_waiting_takes:
            await asyncio.sleep(self._config.push_back_seconds)
            return False
        self._waiting += 1
        try:
            while not (is_enough() or self._closed):
                await self._changed.wait()
        finally:
            self._waiting -= 1
        return not self._closed
