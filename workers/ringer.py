"""Holds taken runs until their due instant and rings their targets; one a worker process."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import structlog
from prometheus_client import Gauge, Histogram

from commands.finish_attempts import EndedAttempt
from commands.give_back_runs import GiveBackRuns, give_back_runs
from commands.resolve_overlap import ResolveOverlap, resolve_overlap
from commands.start_attempts import StartAttempts, start_attempts
from commands.take_runs import TakenRun, TakeRuns, take_runs
from domain.run import Outcome
from storage.postgres import UNREACHABLE, Database
from storage.queue import BATCH_SIZE, RunKey
from storage.shards import LOOK_AHEAD
from workers.recorder import Recorder
from workers.targets.answer import Answer
from workers.waiting import Waiting

log = structlog.get_logger()
LATENESS = Histogram(
    "tocsin_lateness_seconds",
    "Start of a run's first attempt minus the instant it was due.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
WAITING = Gauge(
    "tocsin_ringer_waiting_runs", "Taken runs that are not yet due.", multiprocess_mode="livesum"
)
RINGING = Gauge("tocsin_ringer_ringing_runs", "Attempts under way.", multiprocess_mode="livesum")

CONCURRENCY = 512
CAPACITY = 10_000
START_AT_ONCE = 250
HEAD_START = timedelta(milliseconds=5)
"""Attempts are begun in Postgres so long before they ring: its answer then costs no lateness."""
GATHER = timedelta(milliseconds=15)
"""What falls due within so long of the first is begun with it: one statement, not many."""
RETRY_SECONDS = 0.1
RESOLVE_AGAIN_SECONDS = 1.0
RESOLVE_AT_ONCE = 2
"""Overlaps are decided one by one, on few connections: what is on time needs the others."""

_CUT_OFF = Answer(outcome=Outcome.ABANDONED, error="The run was asked to end.")

Ring = Callable[[TakenRun, datetime], Awaitable[Answer]]


class Ringer:
    """Takes runs, waits, begins attempts in batches, rings with bounded concurrency.

    Args:
        ring: Makes one attempt.
        concurrency: Attempts under way at once, until they are recorded.
        capacity: Runs that wait here at most; beyond it, `take` waits and the queue with it.
    """

    def __init__(
        self,
        database: Database,
        worker_id: UUID,
        ring: Ring,
        recorder: Recorder,
        *,
        concurrency: int = CONCURRENCY,
        capacity: int = CAPACITY,
    ) -> None:
        self._database = database
        self._worker_id = worker_id
        self._ring = ring
        self._recorder = recorder
        self._capacity = capacity
        self._free = concurrency
        self._waiting = Waiting()
        self._ringing: set[asyncio.Task[None]] = set()
        self._abortable: dict[UUID, asyncio.Task[None]] = {}
        self._aborted: set[UUID] = set()
        self._resolving = asyncio.Semaphore(RESOLVE_AT_ONCE)
        self._asking: set[asyncio.Task[None]] = set()
        self._held: set[UUID] = set()
        self._taken_again: dict[UUID, TakenRun] = {}
        self._changed = asyncio.Event()
        self._room = asyncio.Condition()
        self._stopping = False

    async def take(self, runs: list[RunKey]) -> bool:
        """Own runs that were handed over; returns when Postgres knows it.

        Waits while the ringer is full. A take whose reply was lost is simply asked again.

        Returns:
            False when the ringer is stopping and took nothing.
        """
        async with self._room:
            await self._room.wait_for(lambda: self._has_room or self._stopping)
        while not self._stopping:
            try:
                await self._ask(self._take(runs, datetime.now(UTC)))
            except UNREACHABLE as error:
                log.warning("ringer.take_failed", error=str(error))
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return True
        return False

    async def run(self) -> None:
        """Ring what falls due, until cancelled."""
        while True:
            self._changed.clear()
            batch = self._next_batch(datetime.now(UTC))
            if batch:
                await self._ask(self._start(batch))
            else:
                await self._wait_for_work()

    async def stop(self) -> list[RunKey]:
        """Give back what only waits, and wait for what rings.

        Returns:
            The runs that were given back, to be handed over to another worker.
        """
        self._stopping = True
        async with self._room:
            self._room.notify_all()
        while self._asking:
            await asyncio.wait(self._asking)
        waiting = [(run.service_id, run.id) for run in self._waiting.runs]
        self._waiting.clear()
        command = GiveBackRuns(worker_id=self._worker_id, runs=waiting)
        given_back = await give_back_runs(command, self._database)
        while self._ringing:
            await asyncio.wait(self._ringing)
        return given_back

    def abort(self, run_ids: Collection[UUID]) -> None:
        """Cut off the attempts of runs that were asked to end."""
        for run_id in run_ids:
            if run_id in self._held and run_id not in self._aborted:
                self._aborted.add(run_id)
                if (task := self._abortable.get(run_id)) is not None:
                    task.cancel()

    def holds(self, run_id: UUID) -> bool:
        """Whether an attempt of the run begins, rings or is recorded here."""
        return run_id in self._held

    @property
    def _has_room(self) -> bool:
        return len(self._waiting) + BATCH_SIZE <= self._capacity

    async def _ask(self, question: Coroutine[Any, Any, None]) -> None:
        """Await a take or a start that `stop` must wait for: its answer decides who holds what."""
        await self._ask_soon(question)

    def _ask_soon(self, question: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        asking = asyncio.create_task(question)
        self._asking.add(asking)
        asking.add_done_callback(self._asking.discard)
        return asking

    async def _take(self, runs: list[RunKey], now: datetime) -> None:
        command = TakeRuns(worker_id=self._worker_id, runs=runs, now=now, until=now + LOOK_AHEAD)
        for run in await take_runs(command, self._database):
            if run.id in self._held:
                # Told again, or already the next attempt: when it is let go, Postgres knows.
                self._taken_again[run.id] = run
            else:
                self._waiting.add(run)
        WAITING.set(len(self._waiting))
        self._changed.set()

    def _next_batch(self, now: datetime) -> list[TakenRun]:
        upcoming = self._waiting.next_due()
        if self._stopping or upcoming is None or upcoming > now + HEAD_START:
            return []
        limit = min(self._free, START_AT_ONCE)
        batch = self._waiting.pop(now, now + HEAD_START + GATHER, limit)
        self._held.update(run.id for run in batch)
        return batch

    async def _start(self, batch: list[TakenRun]) -> None:
        command = StartAttempts(worker_id=self._worker_id, runs=batch, now=datetime.now(UTC))
        try:
            started = await start_attempts(command, self._database)
        except UNREACHABLE as error:
            log.warning("ringer.start_failed", error=str(error))
            for run in batch:
                self._put_back(run)
            await asyncio.sleep(RETRY_SECONDS)
            return
        for run in batch:
            if run.id in started:
                self._begin(run)
            else:
                self._ask_soon(self._resolve(run))
        WAITING.set(len(self._waiting))
        RINGING.set(len(self._ringing))
        async with self._room:
            self._room.notify_all()

    def _begin(self, run: TakenRun) -> None:
        self._free -= 1
        task = asyncio.create_task(self._attempt(run))
        self._ringing.add(task)
        task.add_done_callback(self._ringing.discard)

    async def _resolve(self, run: TakenRun) -> None:
        """Find out why a run could not begin: mostly, its overlap policy is to decide."""
        try:
            async with self._resolving:
                now = datetime.now(UTC)
                command = ResolveOverlap(worker_id=self._worker_id, run=run, now=now)
                goes_ahead = await resolve_overlap(command, self._database)
        except UNREACHABLE as error:
            log.warning("ringer.overlap_unresolved", run_id=str(run.id), error=str(error))
            goes_ahead = True  # begun again, it is blocked again if it still is
        except Exception:
            log.exception("ringer.overlap_failed", run_id=str(run.id))
            await asyncio.sleep(RESOLVE_AGAIN_SECONDS)
            goes_ahead = True
        if goes_ahead:
            self._put_back(run)
        else:
            self._let_go(run)

    def _put_back(self, run: TakenRun) -> None:
        self._waiting.add(run)
        self._let_go(run)

    def _let_go(self, run: TakenRun) -> None:
        self._held.discard(run.id)
        self._aborted.discard(run.id)
        again = self._taken_again.pop(run.id, None)
        if again is not None:
            self._waiting.add(again)
        self._changed.set()

    async def _attempt(self, run: TakenRun) -> None:
        # Timers count whole milliseconds and may end a little early; a run never starts early.
        while (started_at := datetime.now(UTC)) < run.due_at:  # noqa: ASYNC110
            await asyncio.sleep((run.due_at - started_at).total_seconds())
        if run.number == 1:
            LATENESS.observe((started_at - run.due_at).total_seconds())
        answer = await self._answer(run, started_at)
        await self._recorder.record(_ended(run, self._worker_id, started_at, answer))
        self._aborted.discard(run.id)
        self._free += 1
        self._let_go(run)

    async def _answer(self, run: TakenRun, started_at: datetime) -> Answer:
        if run.id in self._aborted:
            return _CUT_OFF
        task = cast("asyncio.Task[None]", asyncio.current_task())
        # Here, and nowhere else, an attempt may be cut off.
        self._abortable[run.id] = task
        try:
            return await self._ring(run, started_at)
        except asyncio.CancelledError:
            if run.id not in self._aborted:
                raise
            task.uncancel()
            return _CUT_OFF
        except Exception:
            log.exception("ring.failed", run_id=str(run.id), number=run.number)
            return Answer(
                outcome=Outcome.FAILED, error="The request could not be made; this is logged."
            )
        finally:
            del self._abortable[run.id]

    async def _wait_for_work(self) -> None:
        seconds: float | None = None
        due_at = self._waiting.next_due()
        if due_at is not None and self._free:
            upcoming = due_at - HEAD_START - datetime.now(UTC)
            seconds = max(upcoming.total_seconds(), 0)
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            pass


def _ended(run: TakenRun, worker_id: UUID, started_at: datetime, answer: Answer) -> EndedAttempt:
    return EndedAttempt(
        service_id=run.service_id,
        job_id=run.job_id,
        run_id=run.id,
        scheduled_for=run.scheduled_for,
        held_by=worker_id,
        number=run.number,
        started_at=started_at,
        first_started_at=run.first_started_at,
        finished_at=datetime.now(UTC),
        outcome=answer.outcome,
        retry=run.retry,
        draw=random.random(),  # noqa: S311
        retry_after=answer.retry_after,
        status_code=answer.status_code,
        error=answer.error,
        response_excerpt=answer.response_excerpt,
    )
