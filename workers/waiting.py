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

_Entry = tuple[int, UUID, int]
"""A due instant in microseconds, a run's id, and the number of its next attempt."""


class Waiting:
    """Two lanes: what is on time by its due instant, and what is late, the newest first."""

    def __init__(self) -> None:
        self._runs: dict[UUID, TakenRun] = {}
        # Heaps; an entry may name a run that has gone, or was taken anew with another due instant.
        self._on_time: list[_Entry] = []
        self._late: list[_Entry] = []
        # Of each job whose runs take turns: all that wait, and the one that stands in a lane.
        self._lines: dict[UUID, list[_Entry]] = {}
        self._first: dict[UUID, _Entry] = {}

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
            if _takes_turns(run):
                heapq.heappush(self._lines.setdefault(run.job_id, []), _entry(run))
                self._move_up(run.job_id)
            else:
                heapq.heappush(self._on_time, _entry(run))

    def clear(self) -> None:
        """Let nothing wait any more."""
        self._runs.clear()
        self._on_time.clear()
        self._late.clear()
        self._lines.clear()
        self._first.clear()

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
        batch: list[TakenRun] = []
        last = _microseconds(until)
        for_late = -(-limit // SHARE_OF_LATE) if self._late else 0
        self._fill(batch, self._on_time, limit - for_late, last)
        self._fill(batch, self._late, limit, 0)
        self._fill(batch, self._on_time, limit, last)
        for run in filter(_takes_turns, batch):
            self._move_up(run.job_id)
        return batch

    def _move_late(self, before: int) -> None:
        while self._on_time and self._on_time[0][0] < before:
            due, run_id, number = heapq.heappop(self._on_time)
            heapq.heappush(self._late, (-due, run_id, number))

    def _fill(self, batch: list[TakenRun], lane: list[_Entry], limit: int, last: int) -> None:
        while len(batch) < limit and lane and lane[0][0] <= last:
            due, run_id, number = heapq.heappop(lane)
            entry = (abs(due), run_id, number)
            run = self._waiting(entry)
            if run is not None and (not _takes_turns(run) or self._first[run.job_id] == entry):
                batch.append(self._runs.pop(run_id))

    def _move_up(self, job_id: UUID) -> None:
        """Let the run of a job that is due first stand in a lane."""
        line = self._lines[job_id]
        while line and self._waiting(line[0]) is None:
            heapq.heappop(line)
        if not line:
            del self._lines[job_id], self._first[job_id]
        elif self._first.get(job_id) != line[0]:
            self._first[job_id] = line[0]
            heapq.heappush(self._on_time, line[0])

    def _waiting(self, entry: _Entry) -> TakenRun | None:
        run = self._runs.get(entry[1])
        return run if run is not None and _entry(run) == entry else None


def _takes_turns(run: TakenRun) -> bool:
    return run.overlap is not Overlap.ALLOW_ALL


def _entry(run: TakenRun) -> _Entry:
    return _microseconds(run.due_at), run.id, run.number


def _microseconds(instant: datetime) -> int:
    return (instant - EPOCH) // _MICROSECOND
