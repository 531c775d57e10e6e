"""Begins attempts of due runs in batches, rings their targets, and has their ends recorded."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from prometheus_client import Gauge, Histogram

from commands.firing.start_attempts import StartAttempts, begun_attempts, start_attempts
from commands.firing.take_runs import TakenRun
from storage.error_kinds import kind_of
from storage.postgres.clock_offset import read_clocks
from storage.postgres.pools import UNREACHABLE, Database
from workers.process_health import ProcessHealth
from workers.targets.answer import Ring
from workers.worker.abortable_ring import AbortableRing
from workers.worker.config import WorkerConfig
from workers.worker.overlap import OverlapResolver
from workers.worker.owned_runs import OwnedRuns
from workers.worker.recorder import Recorder, ended_attempt
from workers.worker.unready import NOT_RUNG, UnreadyRuns, split_late

log = structlog.get_logger()
LATENESS = Histogram(
    "tocsin_lateness_seconds",
    "Start of a run's first attempt, after its due instant and its wait for an earlier run.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
OVERLAP_WAIT = Histogram(
    "tocsin_overlap_wait_seconds",
    "Wait of runs that their overlap policy held back for an earlier run.",
    buckets=(0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3_600, 14_400, 86_400),
)
RINGING = Gauge("tocsin_ringer_ringing_runs", "Attempts under way.", multiprocess_mode="livesum")
LONGEST_WAIT_SECONDS = 0.1
"""Attempts begin a few milliseconds before they ring; none waits longer than 0.1 s for it."""


class AttemptRunner:
    """The step of a run between the fair queue and the recorder.

    Args:
        unready: Decides about runs that cannot ring now.
        overlap: Decides about runs that another run of their job keeps from beginning.
    """

    def __init__(
        self,
        database: Database,
        worker_id: UUID,
        owned: OwnedRuns,
        ring: Ring,
        *,
        unready: UnreadyRuns,
        overlap: OverlapResolver,
        recorder: Recorder,
        config: WorkerConfig,
        health: ProcessHealth,
    ) -> None:
        self._database = database
        self._worker_id = worker_id
        self._owned = owned
        self._abortable = AbortableRing(ring)
        self._unready = unready
        self._overlap = overlap
        self._recorder = recorder
        self._config = config
        self._health = health
        self._under_way: set[asyncio.Task[None]] = set()
        self._given_up: set[UUID] = set()  # their attempts fail without a ring

    async def run(self) -> None:
        """Ring due runs until cancelled."""
        while True:
            self._owned.changed.clear()
            self._health.beat("ringer")
            if self._database.clock.trouble(read_clocks()):
                await asyncio.sleep(self._config.wrong_clock_seconds)
                continue
            batch = self._next_batch(datetime.now(UTC))
            has_unready = self._handle_unready(datetime.now(UTC))
            in_time, late = split_late(batch, datetime.now(UTC))
            if late:
                self._owned.decide(self._miss(late))
            if in_time:
                await self._owned.decide(self._start(in_time))
            elif not has_unready and not late:
                await self._wait_for_work()

    async def drain(self) -> None:
        """Wait until the attempts under way are recorded."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    def abort(self, run_ids: Collection[UUID]) -> None:
        """Cut off attempts, at once or as soon as they ring."""
        for run_id in run_ids:
            if self._owned.has_attempt(run_id):
                self._abortable.abort(run_id)

    def _next_batch(self, now: datetime) -> list[TakenRun]:
        upcoming, begins = self._owned.queue.next_due(), now + self._config.head_start
        if self._owned.is_stopping or upcoming is None or upcoming > begins:
            return []
        limit = min(self._owned.concurrency.free, self._config.start_batch)
        batch = self._owned.queue.pop(begins, begins + self._config.gather, limit)
        self._owned.begin(batch)
        return batch

    def _handle_unready(self, now: datetime) -> bool:
        """Defer runs that cannot ring soon, or give them up; return whether there were any."""
        overdue = self._owned.queue.take_overdue()
        self._owned.begin(run for run, _ in overdue)
        given_up, deferred = self._unready.split(overdue, now)
        size = self._config.defer_batch
        for start in range(0, len(deferred), size):
            self._owned.decide(self._defer(deferred[start : start + size], now))
        size = self._config.start_batch
        for start in range(0, len(given_up), size):
            self._owned.decide(self._give_up(given_up[start : start + size]))
        return bool(overdue)

    async def _defer(self, runs: Sequence[tuple[TakenRun, datetime]], now: datetime) -> None:
        if not await self._unready.defer(runs):
            for run, _ in runs:
                self._requeue(run)
            return
        for run, _ in runs:
            self._owned.limiters.of(run).deferred(now)
            self._release(run)
        self._owned.show_room()

    async def _give_up(self, runs: Sequence[TakenRun]) -> None:
        """Begin attempts that fail without a ring; the retry policy decides what follows."""
        for run in runs:
            self._owned.concurrency.lease(self._owned.limiters.of(run).leases)
            self._given_up.add(run.id)
        in_time, late = split_late(runs, datetime.now(UTC))
        if late:
            await self._miss(late)
        if in_time:
            await self._start(in_time)

    async def _miss(self, late: Sequence[TakenRun]) -> None:
        """End late runs that are beyond their catch-up windows, and start the others."""
        missed = await self._unready.miss(late)
        if missed is None:
            self._put_back(late)
            return
        for run in late:
            if run.id in missed:
                self._withdraw(run)
                self._release(run)
        if begins := [run for run in late if run.id not in missed]:
            await self._start(begins)
        self._owned.show_room()

    async def _start(self, batch: Sequence[TakenRun]) -> None:
        """Begin attempts in Postgres, and ring those that may."""
        started = await self._begin(batch)
        if started is None:
            self._put_back(batch)
            return
        blocked = []
        for run in batch:
            if run.id in started:
                task = asyncio.create_task(self._attempt(run))
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)
            else:
                self._withdraw(run)
                blocked.append(run)
        if blocked:
            self._owned.decide(self._resolve_overlaps(blocked))
        RINGING.set(len(self._under_way))
        self._owned.show_room()

    async def _begin(self, batch: Sequence[TakenRun]) -> set[UUID] | None:
        """Which runs may ring; None if none is to begin here: it stops, or its clock is wrong.

        An attempt may have begun though the answer was lost, so Postgres is asked before the batch
        is given up: a run that waited elsewhere would be running, and nobody would ring it.
        """
        is_unanswered = False
        while not self._owned.is_stopping:
            self._health.beat("ringer")
            is_wrong = self._database.clock.trouble(read_clocks()) is not None
            if is_wrong and not is_unanswered:
                return None
            command = StartAttempts(worker_id=self._worker_id, runs=batch, now=datetime.now(UTC))
            try:
                if is_wrong:
                    return await begun_attempts(command, self._database) or None
                is_unanswered = True
                return await start_attempts(command, self._database)
            except UNREACHABLE as error:
                log.warning("ringer.start_failed", error=kind_of(error))
            await asyncio.sleep(self._config.retry_seconds)
        return None

    async def _resolve_overlaps(self, blocked: Sequence[TakenRun]) -> None:
        skipped = await self._overlap.skip(blocked)
        for run in blocked:
            if run.id in skipped:
                self._release(run)
            else:
                self._owned.decide(self._resolve_overlap(run))

    async def _resolve_overlap(self, run: TakenRun) -> None:
        if await self._overlap.resolve(run):
            self._requeue(run)
        else:
            self._release(run)

    async def _attempt(self, run: TakenRun) -> None:
        """Ring a run whose attempt has begun in Postgres, and have it recorded."""
        started_at = await _due(run)
        began = time.monotonic()
        if run.number == 1:
            LATENESS.observe(run.seconds_late(started_at))
            if run.overlap_wait:
                OVERLAP_WAIT.observe(run.overlap_wait)
        is_given_up = run.id in self._given_up
        answer = NOT_RUNG if is_given_up else await self._abortable.answer(run, started_at)
        # Not what the wall clock shows: it may have been set meanwhile.
        finished_at = started_at + timedelta(seconds=time.monotonic() - began)
        await self._recorder.record(
            ended_attempt(run, self._worker_id, started_at, finished_at, answer)
        )
        limiter = self._owned.limiters.of(run)
        if not is_given_up:
            limiter.end(datetime.now(UTC), started_at, answer)
        self._owned.concurrency.release(limiter.leases)
        self._owned.queue.freed(limiter)
        self._release(run)

    def _withdraw(self, run: TakenRun) -> None:
        """Undo what the fair queue counted for an attempt that does not begin."""
        limiter = self._owned.limiters.of(run)
        if run.id not in self._given_up:
            limiter.withdraw()
        self._owned.concurrency.release(limiter.leases)
        self._owned.queue.freed(limiter)

    def _put_back(self, runs: Sequence[TakenRun]) -> None:
        for run in runs:
            self._withdraw(run)
            self._requeue(run)

    def _requeue(self, run: TakenRun) -> None:
        self._forget(run)
        self._owned.requeue(run)

    def _release(self, run: TakenRun) -> None:
        self._forget(run)
        self._owned.release(run)

    def _forget(self, run: TakenRun) -> None:
        self._given_up.discard(run.id)
        self._abortable.forget(run.id)

    async def _wait_for_work(self) -> None:
        seconds = self._config.idle_seconds
        due_at = self._owned.queue.next_due()
        if due_at is not None and self._owned.concurrency.free > 0:
            upcoming = due_at - self._config.head_start - datetime.now(UTC)
            seconds = min(max(upcoming.total_seconds(), 0), seconds)
        try:
            async with asyncio.timeout(seconds):
                await self._owned.changed.wait()
        except TimeoutError:
            pass


async def _due(run: TakenRun) -> datetime:
    """Wait until a run is due, and return when that is."""
    # Timers count whole milliseconds and may end a little early; a run never starts early. The
    # deadline is for a clock that was set back meanwhile.
    deadline = time.monotonic() + LONGEST_WAIT_SECONDS
    while (now := datetime.now(UTC)) < run.due_at and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(min((run.due_at - now).total_seconds(), LONGEST_WAIT_SECONDS))
    return now
