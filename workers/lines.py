"""Runs that wait for one target of one service, in two lanes."""

from __future__ import annotations

import heapq
from datetime import datetime, timedelta
from uuid import UUID

from domain.ids import EPOCH
from workers.gates import Gate

_MICROSECOND = timedelta(microseconds=1)

Entry = tuple[int, UUID, int]
"""A due instant in microseconds, a run's id, and the number of its next attempt."""


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

    def move_late(self, before: int) -> None:
        """Count what is due before an instant as late."""
        on_time = self.on_time
        while on_time and on_time[0][0] < before:
            due, run_id, number = heapq.heappop(on_time)
            heapq.heappush(self.late, (-due, run_id, number))

    def next_due(self) -> int:
        """When something in it is due; it may be past."""
        return -self.late[0][0] if self.late else self.on_time[0][0]

    def has(self, last: int | None) -> bool:
        """Whether something on time is due by `last`; without it, whether something is late."""
        if last is None:
            return bool(self.late)
        return bool(self.on_time) and self.on_time[0][0] <= last

    def pop(self, last: int | None) -> Entry | None:
        """Take out what comes next of that."""
        if not self.has(last):
            return None
        if last is not None:
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
        for lane in (last, None):
            while (entry := self.pop(lane)) is not None:
                due.append(entry)
        return due[:places], due[places:]


def microseconds(instant: datetime) -> int:
    """Since 1970."""
    return (instant - EPOCH) // _MICROSECOND


def instant_of(since_1970: int) -> datetime:
    """The instant so many microseconds after 1970."""
    return EPOCH + since_1970 * _MICROSECOND
