"""The runs that a worker process owns: being taken, queued, or with an attempt under way."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine, Iterable
from typing import Any, TypeVar
from uuid import UUID

from prometheus_client import Gauge

from commands.firing.take_runs import TakenRun
from storage.queue.broker import RunKey
from workers.targets.limits.concurrency_limiter import ConcurrencyLimiter
from workers.targets.limits.target_limiter import TargetLimiters
from workers.worker.backpressure import Backpressure, MemoryBudget
from workers.worker.config import WorkerConfig
from workers.worker.fair_queue import FairQueue

WAITING = Gauge(
    "tocsin_ringer_waiting_runs", "Taken runs that are not yet due.", multiprocess_mode="livesum"
)

Result = TypeVar("Result")


class OwnedRuns:
    """What intake and attempts share; a run leaves it when Postgres knows what became of it.

    Attributes:
        changed: Set when a run was queued or released.
        is_stopping: Whether attempts that have not begun are to be given back.
    """

    def __init__(self, config: WorkerConfig) -> None:
        self.limiters = TargetLimiters()
        self.concurrency = ConcurrencyLimiter(config.concurrency)
        self.queue = FairQueue(self.limiters, self.concurrency)
        self.memory = MemoryBudget(config.memory_bytes)
        self.backpressure = Backpressure(self.queue, self.memory, config)
        self.changed = asyncio.Event()
        self.is_stopping = False
        self._taking: list[Collection[RunKey]] = []
        self._in_attempt: set[UUID] = set()
        self._taken_again: dict[UUID, TakenRun] = {}
        self._decisions: set[asyncio.Task[Any]] = set()

    def has_attempt(self, run_id: UUID) -> bool:
        """Whether an attempt of the run begins, rings or is recorded."""
        return run_id in self._in_attempt

    def owns(self, run_id: UUID) -> bool:
        """Whether the run is being taken, is queued, or has an attempt."""
        if run_id in self._in_attempt or run_id in self.queue:
            return True
        return any(run_id == taken for runs in self._taking for _, taken in runs)

    def take_begins(self, runs: Collection[RunKey]) -> None:
        """Note runs that Postgres may already know to be owned."""
        self._taking.append(runs)

    def take_ends(self, runs: Collection[RunKey]) -> None:
        """End that; the caller adds the taken ones in the same step of the event loop."""
        self._taking.remove(runs)

    def add(self, runs: Iterable[TakenRun]) -> None:
        """Queue taken runs. One with an attempt is queued after it: it may be a retry by then."""
        for run in runs:
            if run.id in self._in_attempt:
                self._taken_again[run.id] = run
            else:
                self._enqueue(run)
        self.show()
        self.changed.set()

    def begin(self, runs: Iterable[TakenRun]) -> None:
        """Mark runs that left the queue for an attempt."""
        self._in_attempt.update(run.id for run in runs)

    def requeue(self, run: TakenRun) -> None:
        """Queue a run again whose attempt did not begin."""
        self._enqueue(run)
        self.release(run)

    def release(self, run: TakenRun) -> None:
        """End the run's attempt; if the run was taken again meanwhile, queue it."""
        self.memory.drop(run)
        self.backpressure.notify()
        self._in_attempt.discard(run.id)
        again = self._taken_again.pop(run.id, None)
        if again is not None:
            self._enqueue(again)
        self.changed.set()

    def clear_queue(self) -> list[TakenRun]:
        """Remove and return the queued runs."""
        waiting = self.queue.runs
        self.queue.clear()
        for run in waiting:
            self.memory.drop(run)
        return waiting

    def show(self) -> None:
        """Update the metrics."""
        WAITING.set(len(self.queue))
        self.memory.show()

    def show_room(self) -> None:
        """Update the metrics, and let waiting takes see the room."""
        self.show()
        self.backpressure.notify()

    def decide(self, statement: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        """Start a statement that decides who owns what; `settle` waits for its answer."""
        task = asyncio.create_task(statement)
        self._decisions.add(task)
        task.add_done_callback(self._decisions.discard)
        return task

    async def settle(self) -> None:
        """Wait for the answers of all such statements."""
        while self._decisions:
            await asyncio.wait(self._decisions)

    def _enqueue(self, run: TakenRun) -> None:
        self.memory.keep(run)
        if (other := self.queue.add(run)) is not None:
            self.memory.drop(other)
