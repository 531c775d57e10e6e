"""Runs that wait in a ringer for their due instant, in the order in which they are to ring."""

from __future__ import annotations

import heapq
from datetime import datetime, timedelta
from itertools import count
from uuid import UUID

from commands.take_runs import TakenRun
from domain.overlap import Overlap
from workers.targets.limits.concurrency_limiter import Slots
from workers.targets.limits.target_limiter import Gate, Gates
from workers.worker.target_queue import Entry, Lane, Line, Look, Rotation, instant_of, microseconds

LATE_AFTER = timedelta(seconds=1)
"""What is due for longer is a backlog: it gives way to what is on time."""
SHARE_OF_LATE = 4
"""Of so many places in a batch, one is kept for the backlog."""
LATE_AT_ONCE = 64
"""A backlog is rung in small batches: while one begins, what falls due must wait for it."""


class Waiting:
    """A line for each target of each service: services take turns, and so do a service's targets.

    Two lanes: what is on time by its due instant, and what is late, the newest first. A line whose
    gate is shut, or whose service has no slot, is not looked at until that has changed.
    """

    def __init__(self, gates: Gates, slots: Slots) -> None:
        self._gates = gates
        self._slots = slots
        self._runs: dict[UUID, tuple[TakenRun, Gate]] = {}
        self._lines: dict[Gate, Line] = {}
        # A heap of when lines have something due; an entry may be of one that has moved since.
        self._heads: list[tuple[int, int, Line]] = []
        self._numbers = count()
        self._turns = {lane: Rotation() for lane in Lane}
        self._shut: dict[Gate, Line] = {}
        # Of each job whose runs take turns: all that wait, and the one that stands in a lane.
        self._of_job: dict[UUID, list[Entry]] = {}
        self._first: dict[UUID, Entry] = {}
        self._overdue: list[tuple[TakenRun, datetime]] = []

    def __len__(self) -> int:
        return len(self._runs)

    def __contains__(self, run_id: UUID) -> bool:
        return run_id in self._runs

    @property
    def runs(self) -> list[TakenRun]:
        """All of them."""
        return [run for run, _ in self._runs.values()]

    def add(self, run: TakenRun) -> TakenRun | None:
        """Let a run wait. Of two takes of the same run, the one that saw the newer job counts.

        Returns:
            The other one.
        """
        known = self._runs.get(run.id)
        other = None if known is None else known[0]
        if other is None or other.job_version <= run.job_version:
            self._runs[run.id] = run, self._gates.of(run)
            entry = _entry(run)
            if _takes_turns(run):
                heapq.heappush(self._of_job.setdefault(run.job_id, []), entry)
                if self._first.get(run.job_id) == entry:
                    self._stand(entry)  # maybe in the line of another target now
                self._move_up(run.job_id)
            else:
                self._stand(entry)
            return other
        return run

    def clear(self) -> None:
        """Let nothing wait any more."""
        for line in self._lines.values():
            line.gate.awaited = False
        self._runs.clear()
        self._lines.clear()
        self._heads.clear()
        self._shut.clear()
        self._turns = {lane: Rotation() for lane in Lane}
        self._of_job.clear()
        self._first.clear()

    def next_due(self) -> datetime | None:
        """When there is something to do; it may be past."""
        for turns in self._turns.values():
            if (line := turns.first) is not None:
                return instant_of(line.next_due())
        while self._heads and self._heads[0][2].head != self._heads[0][:2]:
            heapq.heappop(self._heads)
        return instant_of(self._heads[0][0]) if self._heads else None

    def pop(self, now: datetime, until: datetime, limit: int) -> list[TakenRun]:
        """Take out what is due by `until` and may begin: at most `limit`, each with its slot.

        Of a job whose runs take turns there is one at most: its others must see how that fared.
        """
        look = Look(now, microseconds(until), microseconds(now - LATE_AFTER))
        self._wake(look)
        batch: list[TakenRun] = []
        late = self._turns[Lane.LATE]
        for_late = min(-(-limit // SHARE_OF_LATE), LATE_AT_ONCE) if late.first else 0
        self._fill(batch, Lane.ON_TIME, limit - for_late, look)
        if late.first is not None:
            self._fill(batch, Lane.LATE, min(limit, len(batch) + LATE_AT_ONCE), look)
            self._fill(batch, Lane.ON_TIME, limit, look)
            self._fill(batch, Lane.LATE, min(limit, LATE_AT_ONCE), look)
        self._move_others_up(batch)
        return batch

    def take_overdue(self) -> list[tuple[TakenRun, datetime]]:
        """Take out what cannot begin soon, found by the last `pop`; each with when it may."""
        overdue, self._overdue = self._overdue, []
        return overdue

    def freed(self, gate: Gate) -> None:
        """Look again at what waits for this gate, or for a slot."""
        if (line := self._shut.pop(gate, None)) is not None:
            self._announce(line, line.next_due())
        for turns in self._turns.values():
            turns.resume()

    def _wake(self, look: Look) -> None:
        """Let lines take turns that have something due."""
        first = self._turns[Lane.ON_TIME].first
        if first is not None and first.move_late(look.late_before):
            self._turns[Lane.LATE].add(first)
        while self._heads and self._heads[0][0] <= look.last:
            at, number, line = heapq.heappop(self._heads)
            if line.head == (at, number):
                line.head = None
                self._shut.pop(line.gate, None)
                line.move_late(look.late_before)
                for lane, turns in self._turns.items():
                    if line.has(lane, look.last):
                        turns.add(line)
                if line.on_time and line.on_time[0][0] > look.last:
                    self._announce(line, line.on_time[0][0])

    def _fill(self, batch: list[TakenRun], lane: Lane, limit: int, look: Look) -> None:
        """One run of each service, then the next of each; of a service, one of each target."""
        turns = self._turns[lane]
        while len(batch) < limit and (line := turns.first) is not None:
            if not self._slots.admits(line.gate.holder):
                turns.pause()
            elif (run := self._take(line, lane, look)) is not None:
                self._slots.take(line.gate.holder)
                batch.append(run)
                turns.next()
            else:
                turns.drop()
                self._settle(line, look)

    def _take(self, line: Line, lane: Lane, look: Look) -> TakenRun | None:
        gate = line.gate
        if not gate.admits(look.now):
            return None
        if lane is Lane.ON_TIME and line.move_late(look.late_before):
            self._turns[Lane.LATE].add(line)
        while (entry := line.pop(lane, look.last)) is not None:
            run = self._standing(entry, gate)
            if run is not None:
                gate.begin(look.now)
                del self._runs[run.id]
                return run
        return None

    def _settle(self, line: Line, look: Look) -> None:
        """See when a line is to be looked at again that has no turn any more."""
        gate = line.gate
        if not gate.easy:
            self._overdue += self._put_off(line, look)
        if line.is_empty:
            if self._lines.get(gate) is line:
                del self._lines[gate]
                gate.awaited = False
        elif not gate.admits(look.now):
            if (opens_at := gate.opens_at(look.now)) is None:
                self._shut[gate] = line
            else:
                self._announce(line, max(microseconds(opens_at), line.next_due()))
        elif line.on_time:
            self._announce(line, line.on_time[0][0])

    def _put_off(self, line: Line, look: Look) -> list[tuple[TakenRun, datetime]]:
        """Take out what is due and cannot begin soon, and say when it may."""
        now = look.now
        kept, put_off = line.split(look.last, line.gate.places(now))
        for entry in kept:
            line.push(entry)
        overdue = []
        for place, entry in enumerate(put_off, start=len(kept)):
            run = self._standing(entry, line.gate)
            if run is not None:
                del self._runs[run.id]
                overdue.append((run, line.gate.opens_for(place, now)))
        self._move_others_up([run for run, _ in overdue])
        return overdue

    def _stand(self, entry: Entry) -> None:
        _, gate = self._runs[entry[1]]
        line = self._lines.get(gate)
        if line is None:
            line = self._lines[gate] = Line(gate)
            gate.awaited = True
        line.push(entry)
        self._announce(line, entry[0])

    def _announce(self, line: Line, at: int) -> None:
        if line.head is None or at < line.head[0]:
            number = next(self._numbers)
            line.head = at, number
            heapq.heappush(self._heads, (at, number, line))

    def _move_others_up(self, gone: list[TakenRun]) -> None:
        for run in gone:
            # Not only if it takes turns: it may have stood first before its job was edited.
            if run.job_id in self._of_job:
                self._move_up(run.job_id)

    def _move_up(self, job_id: UUID) -> None:
        """Let the run of a job that is due first stand in a lane."""
        entries = self._of_job.get(job_id, [])
        while entries and self._waiting(entries[0]) is None:
            heapq.heappop(entries)
        if not entries:
            self._of_job.pop(job_id, None)
            self._first.pop(job_id, None)
        elif self._first.get(job_id) != entries[0]:
            self._first[job_id] = entries[0]
            self._stand(entries[0])

    def _waiting(self, entry: Entry) -> tuple[TakenRun, Gate] | None:
        known = self._runs.get(entry[1])
        return known if known is not None and _entry(known[0]) == entry else None

    def _standing(self, entry: Entry, gate: Gate) -> TakenRun | None:
        """The run of an entry, if it still stands in the line of that gate."""
        known = self._waiting(entry)
        if known is None or known[1] is not gate:
            return None
        run = known[0]
        return run if not _takes_turns(run) or self._first.get(run.job_id) == entry else None


def _takes_turns(run: TakenRun) -> bool:
    return run.overlap is not Overlap.ALLOW_ALL


def _entry(run: TakenRun) -> Entry:
    return microseconds(run.due_at), run.id, run.number
