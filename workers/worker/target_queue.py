"""Runs that wait for one target of one service, in two lanes, and whose turn it is."""

from __future__ import annotations

import heapq
from collections import OrderedDict, deque
from datetime import datetime, timedelta
from enum import Enum
from typing import NamedTuple
from uuid import UUID

from domain.ids import EPOCH
from workers.targets.limits.concurrency_limiter import Holder
from workers.targets.limits.target_limiter import Gate

_MICROSECOND = timedelta(microseconds=1)

Entry = tuple[int, UUID, int]
"""A due instant in microseconds, a run's id, and the number of its next attempt."""


class Lane(Enum):
    """Where a run waits."""

    ON_TIME = "on_time"
    LATE = "late"


class Look(NamedTuple):
    """One look at what is due.

    Attributes:
        last: What is due later is not.
        late_before: What is due before this is late.
    """

    now: datetime
    last: int
    late_before: int


class Line:
    """Heaps; an entry may name a run that has gone, or was taken anew with another due instant.

    Attributes:
        late: Negative instants: what is due last comes first.
        head: When it is to be looked at, and a number that tells the newest such note.
    """

    __slots__ = ("gate", "head", "late", "on_time")

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.on_time: list[Entry] = []
        self.late: list[Entry] = []
        self.head: tuple[int, int] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is in it."""
        return not self.on_time and not self.late

    def push(self, entry: Entry) -> None:
        """Add an entry; it becomes late when it is looked at."""
        heapq.heappush(self.on_time, entry)

    def move_late(self, before: int) -> bool:
        """Count what is due before an instant as late; return whether something is."""
        on_time = self.on_time
        while on_time and on_time[0][0] < before:
            due, run_id, number = heapq.heappop(on_time)
            heapq.heappush(self.late, (-due, run_id, number))
        return bool(self.late)

    def next_due(self) -> int:
        """When something in it is due; it may be past, as for an empty one."""
        if self.late:
            return -self.late[0][0]
        return self.on_time[0][0] if self.on_time else 0

    def has(self, lane: Lane, last: int) -> bool:
        """Whether something is in the lane and due by `last`."""
        if lane is Lane.LATE:
            return bool(self.late)
        return bool(self.on_time) and self.on_time[0][0] <= last

    def pop(self, lane: Lane, last: int) -> Entry | None:
        """Take out what comes next of that."""
        if not self.has(lane, last):
            return None
        if lane is Lane.ON_TIME:
            return heapq.heappop(self.on_time)
        due, run_id, number = heapq.heappop(self.late)
        return -due, run_id, number

    def split(self, last: int, places: int) -> tuple[list[Entry], list[Entry]]:
        """Take out all that is due by `last` if that is more than so many: those first, the rest.

        What is on time comes first, as it would ring.
        """
        if len(self.late) + len(self.on_time) <= places:
            return [], []
        due: list[Entry] = []
        for lane in Lane:
            while (entry := self.pop(lane, last)) is not None:
                due.append(entry)
        return due[:places], due[places:]


class Rotation:
    """Whose turn it is: services one after the other, and of each its lines one after the other."""

    def __init__(self) -> None:
        self._of_service: OrderedDict[Holder, deque[Line]] = OrderedDict()
        self._paused: dict[Holder, deque[Line]] = {}
        self._in_it: set[Line] = set()

    @property
    def first(self) -> Line | None:
        """The line whose turn it is."""
        for lines in self._of_service.values():
            return lines[0]
        return None

    def add(self, line: Line) -> None:
        """Let a line take turns; one that does already keeps its place."""
        if line not in self._in_it:
            self._in_it.add(line)
            service = line.gate.holder
            among = self._paused if service in self._paused else self._of_service
            among.setdefault(service, deque()).append(line)

    def next(self) -> None:
        """The first has had its turn."""
        service, lines = next(iter(self._of_service.items()))
        lines.rotate(-1)
        self._of_service.move_to_end(service)

    def drop(self) -> None:
        """The first has nothing to do any more."""
        service, lines = next(iter(self._of_service.items()))
        self._in_it.remove(lines.popleft())
        if not lines:
            del self._of_service[service]

    def pause(self) -> None:
        """The service of the first has no slot."""
        service, lines = self._of_service.popitem(last=False)
        self._paused[service] = lines

    def resume(self) -> None:
        """There may be slots again."""
        if self._paused:
            self._of_service.update(self._paused)
            self._paused.clear()


def microseconds(instant: datetime) -> int:
    """Since 1970."""
    return (instant - EPOCH) // _MICROSECOND


def instant_of(since_1970: int) -> datetime:
    """The instant so many microseconds after 1970."""
    return EPOCH + since_1970 * _MICROSECOND
