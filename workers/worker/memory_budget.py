"""How many bytes of targets a worker process has in hand, which services share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from uuid import UUID

from prometheus_client import Gauge

from commands.take_runs import Rooms, TakenRun
from storage.queue import RunKey

IN_HAND = Gauge(
    "tocsin_ringer_held_bytes",
    "Bytes of the targets of runs that wait or ring.",
    multiprocess_mode="livesum",
)
BUDGET_BYTES = 64 * 1024 * 1024
"""While it rings, a body is there four times at most: as it was read, decoded or with secrets, in
the request, and in what the socket has not taken yet. So four times this, and the process itself,
must fit into its pod (k8s/base/worker.yaml)."""
LARGEST_BYTES = 1024 * 1024
"""More than any target has: 256 KiB of body, 50 headers, authorities."""
SHARE = 4
"""A service may have so many times as many as are free, so that some are free for the others."""

WORTH_WHILE = 4
"""Of what is in hand, one part of so many is let go before it is asked for more."""


class BytesInHand:
    """Counts what is in hand, and says how much more may be taken.

    Attributes:
        released: All that was ever let go.
    """

    def __init__(self, budget: int = BUDGET_BYTES) -> None:
        self.released = 0
        self._free = budget
        self._budget = budget
        self._of_service: Counter[UUID] = Counter()

    @property
    def in_hand(self) -> int:
        """What is kept and reserved."""
        return self._budget - self._free

    @property
    def has_room(self) -> bool:
        """Whether any target would fit that a service with nothing in hand has."""
        return self._free >= 2 * LARGEST_BYTES

    def reserve(self, runs: Sequence[RunKey]) -> Rooms:
        """What may be taken of these runs, until `unreserve`.

        It is half of what is free, for there may be other takes meanwhile.
        """
        most = self._free // 2
        of_service = {
            service_id: min(self._room_of(service_id), most)
            for service_id in dict.fromkeys(service_id for service_id, _ in runs)
        }
        self._free -= most
        return Rooms(bytes=most, of_service=of_service)

    def unreserve(self, rooms: Rooms) -> None:
        """What was taken is to be kept in the same step of the event loop."""
        self._free += rooms.bytes

    def keep(self, run: TakenRun) -> None:
        """A run is in hand."""
        self._free -= run.bytes
        self._of_service[run.service_id] += run.bytes

    def drop(self, run: TakenRun) -> None:
        """A run that was in hand is no more."""
        self._free += run.bytes
        self.released += run.bytes
        left = self._of_service[run.service_id] - run.bytes
        if left > 0:
            self._of_service[run.service_id] = left
        else:
            del self._of_service[run.service_id]

    def freed_since(self, before: int) -> Callable[[], bool]:
        """Whether so much was released that it is worth while to ask again for what did not fit.

        Args:
            before: What had been released when it was asked for.
        """
        goal = before + self.in_hand // WORTH_WHILE
        return lambda: self.released >= goal or not self.in_hand

    def show(self) -> None:
        """Tell the metrics."""
        IN_HAND.set(self.in_hand)

    def _room_of(self, service_id: UUID) -> int:
        held = self._of_service.get(service_id, 0)
        if not held:
            return max(LARGEST_BYTES, self._free * SHARE // (SHARE + 1))
        return max((self._free * SHARE - held) // (SHARE + 1), 0)
