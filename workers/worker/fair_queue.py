"""Runs that wait in a worker process until they are due, served fairly."""

from __future__ import annotations

import heapq
from datetime import datetime, timedelta
from itertools import count
from uuid import UUID

from commands.firing.take_runs import TakenRun
from domain.policies.overlap import Overlap
from workers.targets.limits.concurrency_limiter import ConcurrencyLimiter
from workers.targets.limits.target_limiter import TargetLimiter, TargetLimiters
from workers.worker.target_queue import (
    Cutoffs,
    Priority,
    QueuedRun,
    Rotation,
    TargetQueue,
    instant_of,
    microseconds,
)

LATE_AFTER = timedelta(seconds=1)
"""A run due for longer than 1 s is late: it is served after runs on time."""
SHARE_OF_LATE = 4
"""One slot in four of a batch is kept for late runs."""
LATE_AT_ONCE = 64
"""A batch has at most 64 late runs, since runs that fall due wait until the batch has begun."""


class FairQueue:
    """One queue for each target of each service, served in rotation.

    Runs on time come out by due instant, late runs newest first. A queue is skipped while its
    limiter is closed or its service may lease no slot. Of a job whose runs must not overlap, one
    run stands in a queue; its others wait behind it.
    """

    def __init__(self, limiters: TargetLimiters, concurrency: ConcurrencyLimiter) -> None:
        self._limiters = limiters
        self._concurrency = concurrency
        self._runs: dict[UUID, tuple[TakenRun, TargetLimiter]] = {}
        self._queues: dict[TargetLimiter, TargetQueue] = {}
        # A heap of when to look at queues; an item may be outdated (see TargetQueue.wakes_at).
        self._wakeups: list[tuple[int, int, TargetQueue]] = []
        self._numbers = count()
        self._rotations = {priority: Rotation() for priority in Priority}
        self._closed: dict[TargetLimiter, TargetQueue] = {}
        # For a job whose runs must not overlap: all its runs, and the one that stands in a queue.
        self._of_job: dict[UUID, list[QueuedRun]] = {}
        self._first: dict[UUID, QueuedRun] = {}
        self._overdue: list[tuple[TakenRun, datetime]] = []

    def __len__(self) -> int:
        return len(self._runs)

    def __contains__(self, run_id: UUID) -> bool:
        return run_id in self._runs

    @property
    def runs(self) -> list[TakenRun]:
        """All queued runs."""
        return [run for run, _ in self._runs.values()]

    def add(self, run: TakenRun) -> TakenRun | None:
        """Queue a run. If it is queued already, the take that saw the newer job counts.

        Returns:
            The other take.
        """
        known = self._runs.get(run.id)
        other = None if known is None else known[0]
        if other is None or other.job_version <= run.job_version:
            self._runs[run.id] = run, self._limiters.of(run)
            queued = _queued(run)
            if _must_not_overlap(run):
                heapq.heappush(self._of_job.setdefault(run.job_id, []), queued)
                if self._first.get(run.job_id) == queued:
                    self._push(queued)  # maybe into the queue of another target now
                self._move_up(run.job_id)
            else:
                self._push(queued)
            return other
        return run

    def clear(self) -> None:
        """Remove all runs."""
        for queue in self._queues.values():
            queue.limiter.awaited = False
        self._runs.clear()
        self._queues.clear()
        self._wakeups.clear()
        self._closed.clear()
        self._rotations = {priority: Rotation() for priority in Priority}
        self._of_job.clear()
        self._first.clear()

    def next_due(self) -> datetime | None:
        """When the next run may begin; maybe in the past."""
        for rotation in self._rotations.values():
            if (queue := rotation.first) is not None:
                return instant_of(queue.next_due())
        while self._wakeups and self._wakeups[0][2].wakes_at != self._wakeups[0][:2]:
            heapq.heappop(self._wakeups)
        return instant_of(self._wakeups[0][0]) if self._wakeups else None

    def pop(self, now: datetime, until: datetime, limit: int) -> list[TakenRun]:
        """Remove runs that are due by `until` and may begin: at most `limit`, each with its slot.

        Of a job whose runs must not overlap there is at most one.
        """
        cutoffs = Cutoffs(now, microseconds(until), microseconds(now - LATE_AFTER))
        self._wake(cutoffs)
        batch: list[TakenRun] = []
        late = self._rotations[Priority.LATE]
        for_late = min(-(-limit // SHARE_OF_LATE), LATE_AT_ONCE) if late.first else 0
        self._fill(batch, Priority.ON_TIME, limit - for_late, cutoffs)
        if late.first is not None:
            self._fill(batch, Priority.LATE, min(limit, len(batch) + LATE_AT_ONCE), cutoffs)
            self._fill(batch, Priority.ON_TIME, limit, cutoffs)
            self._fill(batch, Priority.LATE, min(limit, LATE_AT_ONCE), cutoffs)
        self._move_others_up(batch)
        return batch

    def take_overdue(self) -> list[tuple[TakenRun, datetime]]:
        """Remove the runs that the last `pop` found unable to begin soon; each with when it may."""
        overdue, self._overdue = self._overdue, []
        return overdue

    def freed(self, limiter: TargetLimiter) -> None:
        """Look again at queues that wait for this limiter, or for a slot."""
        if (queue := self._closed.pop(limiter, None)) is not None:
            self._wake_at(queue, queue.next_due())
        for rotation in self._rotations.values():
            rotation.resume()

    def _wake(self, cutoffs: Cutoffs) -> None:
        """Add queues with due runs to the rotations."""
        first = self._rotations[Priority.ON_TIME].first
        if first is not None and first.move_late(cutoffs.late_before):
            self._rotations[Priority.LATE].add(first)
        while self._wakeups and self._wakeups[0][0] <= cutoffs.last:
            at, number, queue = heapq.heappop(self._wakeups)
            if queue.wakes_at == (at, number):
                queue.wakes_at = None
                self._closed.pop(queue.limiter, None)
                queue.move_late(cutoffs.late_before)
                for priority, rotation in self._rotations.items():
                    if queue.has(priority, cutoffs.last):
                        rotation.add(queue)
                if queue.on_time and queue.on_time[0].due > cutoffs.last:
                    self._wake_at(queue, queue.on_time[0].due)

    def _fill(
        self, batch: list[TakenRun], priority: Priority, limit: int, cutoffs: Cutoffs
    ) -> None:
        """Add one run of each service, then the next of each; within a service, one per target."""
        rotation = self._rotations[priority]
        while len(batch) < limit and (queue := rotation.first) is not None:
            if not self._concurrency.admits(queue.limiter.leases):
                rotation.pause()
            elif (run := self._pop(queue, priority, cutoffs)) is not None:
                self._concurrency.lease(queue.limiter.leases)
                batch.append(run)
                rotation.next()
            else:
                rotation.drop()
                self._settle(queue, cutoffs)

    def _pop(self, queue: TargetQueue, priority: Priority, cutoffs: Cutoffs) -> TakenRun | None:
        limiter = queue.limiter
        if not limiter.admits(cutoffs.now):
            return None
        if priority is Priority.ON_TIME and queue.move_late(cutoffs.late_before):
            self._rotations[Priority.LATE].add(queue)
        while (queued := queue.pop(priority, cutoffs.last)) is not None:
            run = self._current(queued, limiter)
            if run is not None:
                limiter.begin(cutoffs.now)
                del self._runs[run.id]
                return run
        return None

    def _settle(self, queue: TargetQueue, cutoffs: Cutoffs) -> None:
        """Decide when to look again at a queue that left its rotation."""
        limiter = queue.limiter
        if not limiter.easy:
            self._overdue += self._remove_overdue(queue, cutoffs)
        if queue.is_empty:
            if self._queues.get(limiter) is queue:
                del self._queues[limiter]
                limiter.awaited = False
        elif not limiter.admits(cutoffs.now):
            if (opens_at := limiter.opens_at(cutoffs.now)) is None:
                self._closed[limiter] = queue
            else:
                self._wake_at(queue, max(microseconds(opens_at), queue.next_due()))
        elif queue.on_time:
            self._wake_at(queue, queue.on_time[0].due)

    def _remove_overdue(
        self, queue: TargetQueue, cutoffs: Cutoffs
    ) -> list[tuple[TakenRun, datetime]]:
        """Remove due runs that cannot begin soon, each with when it may."""
        now, limiter = cutoffs.now, queue.limiter
        kept, removed = queue.split(cutoffs.last, limiter.attempts_soon(now))
        for queued in kept:
            queue.push(queued)
        overdue = []
        for ahead, queued in enumerate(removed, start=len(kept)):
            run = self._current(queued, limiter)
            if run is not None:
                del self._runs[run.id]
                overdue.append((run, limiter.opens_for(ahead, now)))
        self._move_others_up([run for run, _ in overdue])
        return overdue

    def _push(self, queued: QueuedRun) -> None:
        _, limiter = self._runs[queued.run_id]
        queue = self._queues.get(limiter)
        if queue is None:
            queue = self._queues[limiter] = TargetQueue(limiter)
            limiter.awaited = True
        queue.push(queued)
        self._wake_at(queue, queued.due)

    def _wake_at(self, queue: TargetQueue, at: int) -> None:
        if queue.wakes_at is None or at < queue.wakes_at[0]:
            number = next(self._numbers)
            queue.wakes_at = at, number
            heapq.heappush(self._wakeups, (at, number, queue))

    def _move_others_up(self, gone: list[TakenRun]) -> None:
        for run in gone:
            # By job, not by policy: the run may have stood first before its job was edited.
            if run.job_id in self._of_job:
                self._move_up(run.job_id)

    def _move_up(self, job_id: UUID) -> None:
        """Put the job's run that is due first into the queue of its target."""
        runs = self._of_job.get(job_id, [])
        while runs and self._known(runs[0]) is None:
            heapq.heappop(runs)
        if not runs:
            self._of_job.pop(job_id, None)
            self._first.pop(job_id, None)
        elif self._first.get(job_id) != runs[0]:
            self._first[job_id] = runs[0]
            self._push(runs[0])

    def _known(self, queued: QueuedRun) -> tuple[TakenRun, TargetLimiter] | None:
        known = self._runs.get(queued.run_id)
        return known if known is not None and _queued(known[0]) == queued else None

    def _current(self, queued: QueuedRun, limiter: TargetLimiter) -> TakenRun | None:
        """The run of an item, unless the item is outdated in the queue of that limiter."""
        known = self._known(queued)
        if known is None or known[1] is not limiter:
            return None
        run = known[0]
        is_first = not _must_not_overlap(run) or self._first.get(run.job_id) == queued
        return run if is_first else None


def _must_not_overlap(run: TakenRun) -> bool:
    return run.overlap is not Overlap.ALLOW_ALL


def _queued(run: TakenRun) -> QueuedRun:
    return QueuedRun(microseconds(run.due_at), run.id, run.number)
