"""The queued runs of one target, and the rotation in which targets are served."""

from __future__ import annotations

import heapq
from collections import OrderedDict, deque
from datetime import datetime, timedelta
from enum import Enum
from typing import NamedTuple
from uuid import UUID

from domain.ids import EPOCH
from workers.targets.limits.concurrency_limiter import ServiceLeases
from workers.targets.limits.target_limiter import TargetLimiter

_MICROSECOND = timedelta(microseconds=1)


class QueuedRun(NamedTuple):
    """A run in a heap. Late runs are kept with a negative `due`, so that the newest comes first.

    Attributes:
        due: In microseconds since 1970.
        number: Of the run's next attempt.
    """

    due: int
    run_id: UUID
    number: int


class Priority(Enum):
    """Runs on time are served before late runs."""

    ON_TIME = "on_time"
    LATE = "late"


class Cutoffs(NamedTuple):
    """Which runs one pass over the queue looks at; instants in microseconds since 1970.

    Attributes:
        last: Runs due later stay queued.
        late_before: Runs due before this are late.
    """

    now: datetime
    last: int
    late_before: int


class TargetQueue:
    """Two heaps of queued runs. An item may be outdated: its run has left or was taken anew.

    Attributes:
        wakes_at: When the queue is looked at next, with a number that tells the newest such note.
    """

    __slots__ = ("late", "limiter", "on_time", "wakes_at")

    def __init__(self, limiter: TargetLimiter) -> None:
        self.limiter = limiter
        self.on_time: list[QueuedRun] = []
        self.late: list[QueuedRun] = []
        self.wakes_at: tuple[int, int] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether no run is queued."""
        return not self.on_time and not self.late

    def push(self, queued: QueuedRun) -> None:
        """Add a run as on time; `move_late` finds out whether it is late."""
        heapq.heappush(self.on_time, queued)

    def move_late(self, before: int) -> bool:
        """Move runs due before an instant to the late ones; return whether there are late runs."""
        on_time = self.on_time
        while on_time and on_time[0].due < before:
            due, run_id, number = heapq.heappop(on_time)
            heapq.heappush(self.late, QueuedRun(-due, run_id, number))
        return bool(self.late)

    def next_due(self) -> int:
        """When the next run is due, maybe in the past; 0 for an empty queue."""
        if self.late:
            return -self.late[0].due
        return self.on_time[0].due if self.on_time else 0

    def has(self, priority: Priority, last: int) -> bool:
        """Whether a run of that priority is due by `last`."""
        if priority is Priority.LATE:
            return bool(self.late)
        return bool(self.on_time) and self.on_time[0].due <= last

    def pop(self, priority: Priority, last: int) -> QueuedRun | None:
        """Remove the next run of that priority that is due by `last`."""
        if not self.has(priority, last):
            return None
        if priority is Priority.ON_TIME:
            return heapq.heappop(self.on_time)
        due, run_id, number = heapq.heappop(self.late)
        return QueuedRun(-due, run_id, number)

    def split(self, last: int, limit: int) -> tuple[list[QueuedRun], list[QueuedRun]]:
        """If more than `limit` runs are due by `last`, remove them all: the first ones, the rest.

        Runs on time come first, as they would ring first.
        """
        if len(self.late) + len(self.on_time) <= limit:
            return [], []
        due: list[QueuedRun] = []
        for priority in Priority:
            while (queued := self.pop(priority, last)) is not None:
                due.append(queued)
        return due[:limit], due[limit:]


class Rotation:
    """Serves services in rotation, and within a service its targets in rotation."""

    def __init__(self) -> None:
        self._of_service: OrderedDict[ServiceLeases, deque[TargetQueue]] = OrderedDict()
        self._paused: dict[ServiceLeases, deque[TargetQueue]] = {}
        self._members: set[TargetQueue] = set()

    @property
    def first(self) -> TargetQueue | None:
        """The queue to serve next."""
        for queues in self._of_service.values():
            return queues[0]
        return None

    def add(self, queue: TargetQueue) -> None:
        """Add a queue at the end of its service's; a member keeps its position."""
        if queue not in self._members:
            self._members.add(queue)
            service = queue.limiter.leases
            siblings = self._paused if service in self._paused else self._of_service
            siblings.setdefault(service, deque()).append(queue)

    def next(self) -> None:
        """Move the first queue and its service to the end."""
        service, queues = next(iter(self._of_service.items()))
        queues.rotate(-1)
        self._of_service.move_to_end(service)

    def drop(self) -> None:
        """Remove the first queue: it has nothing to ring now."""
        service, queues = next(iter(self._of_service.items()))
        self._members.remove(queues.popleft())
        if not queues:
            del self._of_service[service]

    def pause(self) -> None:
        """Set the first service aside: it may lease no slot now."""
        service, queues = self._of_service.popitem(last=False)
        self._paused[service] = queues

    def resume(self) -> None:
        """Take services back in: slots may be free."""
        if self._paused:
            self._of_service.update(self._paused)
            self._paused.clear()


def microseconds(instant: datetime) -> int:
    """The microseconds from 1970 to an instant."""
    return (instant - EPOCH) // _MICROSECOND


def instant_of(since_1970: int) -> datetime:
    """The instant so many microseconds after 1970."""
    return EPOCH + since_1970 * _MICROSECOND
