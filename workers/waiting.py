"""Runs that wait in a ringer for their due instant, in the order in which they are to ring."""

from __future__ import annotations

import heapq
from datetime import datetime, timedelta
from uuid import UUID

from commands.take_runs import TakenRun
from domain.ids import EPOCH
from domain.overlap import Overlap

LATE_AFTER = timedelta(seconds=1)
"""What is due for longer is a backlog: it gives way to what is on time."""
SHARE_OF_LATE = 4
"""Of so many places in a batch, one is kept for the backlog."""
_MICROSECOND = timedelta(microseconds=1)

_Lane = list[tuple[int, UUID, int]]


class Waiting:
    """Two lanes: what is on time by its due instant, and what is late, the newest first."""

    def __init__(self) -> None:
        self._runs: dict[UUID, TakenRun] = {}
        # Heaps; an entry may name a run that was taken anew with another due instant.
        self._on_time: _Lane = []
        self._late: _Lane = []

    def __len__(self) -> int:
        return len(self._runs)

    @property
    def runs(self) -> list[TakenRun]:
        """All of them."""
        return list(self._runs.values())

    def add(self, run: TakenRun) -> None:
        """Let a run wait. Of two takes of the same run, the one that saw the newer job counts."""
        known = self._runs.get(run.id)
        if known is None or known.job_version <= run.job_version:
            self._runs[run.id] = run
            heapq.heappush(self._on_time, (_microseconds(run.due_at), run.id, run.number))

    def clear(self) -> None:
        """Let nothing wait any more."""
        self._runs.clear()
        self._on_time.clear()
        self._late.clear()

    def next_due(self) -> datetime | None:
        """When something falls due; it may be past."""
        if self._late:
            return EPOCH - self._late[0][0] * _MICROSECOND
        return EPOCH + self._on_time[0][0] * _MICROSECOND if self._on_time else None

    def pop(self, now: datetime, until: datetime, limit: int) -> list[TakenRun]:
        """Take out what is due by `until`: at most `limit`.

        Of a job whose runs take turns there is one at most: its others must see how that fared.
        """
        self._move_late(_microseconds(now - LATE_AFTER))
        batch = _Batch()
        last = _microseconds(until)
        for_late = -(-limit // SHARE_OF_LATE) if self._late else 0
        self._fill(batch, self._on_time, limit - for_late, last)
        self._fill(batch, self._late, limit, 0)
        self._fill(batch, self._on_time, limit, last)
        for run in batch.not_yet:
            self.add(run)
        return batch.runs

    def _move_late(self, before: int) -> None:
        while self._on_time and self._on_time[0][0] < before:
            due, run_id, number = heapq.heappop(self._on_time)
            heapq.heappush(self._late, (-due, run_id, number))

    def _fill(self, batch: _Batch, lane: _Lane, limit: int, last: int) -> None:
        while len(batch.runs) < limit and lane and lane[0][0] <= last:
            due, run_id, number = heapq.heappop(lane)
            run = self._runs.get(run_id)
            if run is not None and (_microseconds(run.due_at), run.number) == (abs(due), number):
                batch.take(run)
                del self._runs[run_id]


class _Batch:
    def __init__(self) -> None:
        self.runs: list[TakenRun] = []
        self.not_yet: list[TakenRun] = []
        self._jobs: set[UUID] = set()

    def take(self, run: TakenRun) -> None:
        if run.overlap is not Overlap.ALLOW_ALL:
            if run.job_id in self._jobs:
                self.not_yet.append(run)
                return
            self._jobs.add(run.job_id)
        self.runs.append(run)


def _microseconds(instant: datetime) -> int:
    return (instant - EPOCH) // _MICROSECOND
