"""Holds taken runs until their due instant and has their targets rung; one a worker process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import structlog
from prometheus_client import Gauge

from commands.give_back_runs import GiveBackRuns, give_back_runs
from commands.miss_runs import is_late
from commands.take_runs import TakenRun, TakeRuns, take_runs
from domain.catchup import TOLERANCE
from domain.deferral import give_up_at
from domain.run import Outcome
from storage.clock_offset import read_clocks
from storage.error_kinds import kind_of
from storage.postgres import UNREACHABLE, Database
from storage.queue import BATCH_SIZE, RunKey
from storage.shards import LOOK_AHEAD
from workers.process_health import Vitals
from workers.targets.answer import Answer
from workers.targets.limits.concurrency_limiter import Slots
from workers.targets.limits.target_limiter import SOON, Gates
from workers.worker.attempts import Attempts, Ring
from workers.worker.backpressure import Room
from workers.worker.fair_queue import Waiting
from workers.worker.memory_budget import BytesInHand
from workers.worker.recorder import Recorder
from workers.worker.unready import RETRY_SECONDS, WRONG_CLOCK_SECONDS, Transitions

log = structlog.get_logger()
OnTaken = Callable[[Sequence[TakenRun]], Awaitable[None]]
Answered = TypeVar("Answered")
WAITING = Gauge(
    "tocsin_ringer_waiting_runs", "Taken runs that are not yet due.", multiprocess_mode="livesum"
)

CONCURRENCY = 512
CAPACITY = 10_000
START_AT_ONCE = 250
HEAD_START = timedelta(milliseconds=5)
"""Attempts are begun in Postgres so long before they ring: its answer then costs no lateness."""
GATHER = timedelta(milliseconds=15)
"""What falls due within so long of the first is begun with it: one statement, not many."""
IDLE_SECONDS = 30.0
"""Also while there is nothing to do, it is to be seen that the loop turns."""
DEFER_AT_ONCE = 1_000

_NOT_RUNG = Answer(
    outcome=Outcome.FAILED,
    error="The target was not rung: it has been failing, or taking less than it was to get.",
)


class Ringer:
    """Takes runs, waits, begins attempts in batches, rings with bounded concurrency.

    Args:
        ring: Makes one attempt.
        concurrency: Attempts under way at once, until they are recorded.
        capacity: Runs that wait here at most; beyond it, `take` waits and the queue with it.
        in_hand: Bounds the bytes of what waits and rings here; beyond it, the same.
        on_taken: Told of runs that were taken, well before they ring.
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
        in_hand: BytesInHand | None = None,
        vitals: Vitals | None = None,
        on_taken: OnTaken | None = None,
    ) -> None:
        self.gates = Gates()
        self._vitals = vitals or Vitals()
        self._on_taken = on_taken
        self._database = database
        self._worker_id = worker_id
        self._attempts = Attempts(worker_id, ring, recorder, self._ended)
        self._slots = Slots(concurrency)
        self._waiting = Waiting(self.gates, self._slots)
        self._transitions = Transitions(database, worker_id, self._vitals, lambda: self._stopping)
        self._bytes = in_hand or BytesInHand()
        self._asking: set[asyncio.Task[Any]] = set()
        self._held: set[UUID] = set()
        # Of those, the ones whose attempt fails without a ring.
        self._given_up: set[UUID] = set()
        self._taking: list[list[RunKey]] = []
        self._taken_again: dict[UUID, TakenRun] = {}
        self._changed = asyncio.Event()
        self._room = Room(
            lambda: len(self._waiting) + BATCH_SIZE <= capacity and self._bytes.has_room
        )
        self._stopping = False

    async def take(self, runs: list[RunKey], *, ahead: bool = False) -> list[RunKey]:
        """Own runs that were handed over; returns when Postgres knows it.

        Waits while the ringer is full. A take whose reply was lost is simply asked again.

        Args:
            ahead: Do not wait because of how many wait already.

        Returns:
            What is to be handed over again: the ringer is stopping, too many wait already, or the
            clock of this process is wrong.
        """
        if not ahead and not await self._room.found():
            return runs
        has_asked = False  # and may own them, though the answer was lost
        while not self._stopping:
            moment = read_clocks()
            if self._database.clock.trouble(moment):
                await asyncio.sleep(WRONG_CLOCK_SECONDS)
                if has_asked:
                    continue
                return runs
            has_asked = True
            before = self._bytes.released
            try:
                runs = await self._ask(self._take(runs, moment.wall))
            except UNREACHABLE as error:
                log.warning("ringer.take_failed", error=kind_of(error))
                await asyncio.sleep(RETRY_SECONDS)
            else:
                if not runs or not await self._room.freed(self._bytes.freed_since(before)):
                    return runs
                has_asked = False
        return runs

    async def run(self) -> None:
        """Ring what falls due, until cancelled."""
        while True:
            self._changed.clear()
            self._vitals.beat("ringer")
            if self._database.clock.trouble(read_clocks()):
                await asyncio.sleep(WRONG_CLOCK_SECONDS)
                continue
            batch = self._next_batch(datetime.now(UTC))
            put_off = self._put_off(datetime.now(UTC))
            in_time, late = _apart(batch, datetime.now(UTC))
            if late:
                self._ask_soon(self._miss(late))
            if in_time:
                await self._ask(self._start(in_time))
            elif not put_off and not late:
                await self._wait_for_work()

    async def stop(self) -> list[RunKey]:
        """Give back what only waits, and wait for what rings.

        Returns:
            The runs that were given back, to be handed over to another worker.
        """
        self._stopping = True
        self._room.close()
        while self._asking:
            await asyncio.wait(self._asking)
        given_back = await self.give_back()
        await self._attempts.end()
        return given_back

    async def give_back(self) -> list[RunKey]:
        """Free what only waits.

        Returns:
            The runs, to be handed over to another worker.
        """
        waiting = self._waiting.runs
        self._waiting.clear()
        for run in waiting:
            self._bytes.drop(run)
        keys = [(run.service_id, run.id) for run in waiting]
        command = GiveBackRuns(worker_id=self._worker_id, runs=keys)
        try:
            given_back = await give_back_runs(command, self._database) if keys else []
        except BaseException:
            for run in waiting:
                self._keep(run)
            raise
        self._tell_of_room()
        return given_back

    def abort(self, run_ids: Collection[UUID]) -> None:
        """Cut off the attempts of runs that were asked to end."""
        for run_id in self._held.intersection(run_ids):
            self._attempts.abort(run_id)

    def holds(self, run_id: UUID) -> bool:
        """Whether an attempt of the run begins, rings or is recorded here."""
        return run_id in self._held

    def has_in_hand(self, run_id: UUID) -> bool:
        """The same, or whether the run is being taken, or waits here."""
        if run_id in self._held or run_id in self._waiting:
            return True
        return any(run_id == taken for runs in self._taking for _, taken in runs)

    async def _ask(self, question: Coroutine[Any, Any, Answered]) -> Answered:
        """Await a take or a start that `stop` must wait for: its answer decides who holds what."""
        return await self._ask_soon(question)

    def _ask_soon(self, question: Coroutine[Any, Any, Answered]) -> asyncio.Task[Answered]:
        asking = asyncio.create_task(question)
        self._asking.add(asking)
        asking.add_done_callback(self._asking.discard)
        return asking

    async def _take(self, runs: list[RunKey], now: datetime) -> list[RunKey]:
        """Take as many as there is room for; return the others."""
        rooms = self._bytes.reserve(runs)
        command = TakeRuns(
            worker_id=self._worker_id, runs=runs, now=now, until=now + LOOK_AHEAD, rooms=rooms
        )
        self._taking.append(runs)
        try:
            taken = await take_runs(command, self._database)
            if self._on_taken is not None:
                await self._on_taken(taken.runs)
        finally:
            self._taking.remove(runs)
            self._bytes.unreserve(rooms)
        for run in taken.runs:
            if run.id in self._held:
                # Told again, or already the next attempt: when it is let go, Postgres knows.
                self._taken_again[run.id] = run
            else:
                self._keep(run)
        WAITING.set(len(self._waiting))
        self._bytes.show()
        self._changed.set()
        return taken.left

    def _keep(self, run: TakenRun) -> None:
        """Let a run wait."""
        self._bytes.keep(run)
        if (other := self._waiting.add(run)) is not None:
            self._bytes.drop(other)

    def _next_batch(self, now: datetime) -> list[TakenRun]:
        upcoming = self._waiting.next_due()
        if self._stopping or upcoming is None or upcoming > now + HEAD_START:
            return []
        begins = now + HEAD_START
        limit = min(self._slots.free, START_AT_ONCE)
        batch = self._waiting.pop(begins, begins + GATHER, limit)
        self._held.update(run.id for run in batch)
        return batch

    def _put_off(self, now: datetime) -> bool:
        """See to runs that cannot begin soon; return whether there were any."""
        overdue = self._waiting.take_overdue()
        self._held.update(run.id for run, _ in overdue)
        over: dict[UUID, TakenRun] = {}
        later = []
        for run, until in overdue:
            end = give_up_at(run.ready_at, run.first_started_at, run.retry.max_retry_duration)
            if end <= now and run.job_id not in over:  # of a job, one begins at a time
                over[run.job_id] = run
            else:
                later.append((run, max(min(until, end), now + SOON)))
        for start in range(0, len(later), DEFER_AT_ONCE):
            self._ask_soon(self._defer(later[start : start + DEFER_AT_ONCE], now))
        ended = list(over.values())
        for start in range(0, len(ended), START_AT_ONCE):
            self._ask_soon(self._give_up(ended[start : start + START_AT_ONCE]))
        return bool(overdue)

    async def _defer(self, runs: Sequence[tuple[TakenRun, datetime]], now: datetime) -> None:
        if not await self._transitions.defer(runs):
            for run, _ in runs:
                self._put_back(run)
            return
        for run, _ in runs:
            self.gates.of(run).deferred(now)
            self._let_go(run)
        self._tell_of_room()

    async def _give_up(self, runs: Sequence[TakenRun]) -> None:
        """Begin attempts that fail at once, as the retry policy wants to be asked."""
        for run in runs:
            self._slots.take(self.gates.of(run).holder)
            self._given_up.add(run.id)
        in_time, late = _apart(runs, datetime.now(UTC))
        if late:
            await self._miss(late)
        if in_time:
            await self._start(in_time)

    async def _miss(self, late: Sequence[TakenRun]) -> None:
        """Let runs go that may be beyond their catch-up windows, and begin those that are not."""
        missed = await self._transitions.miss(late)
        if missed is None:
            for run in late:
                self._withdraw(run)
                self._put_back(run)
            return
        for run in late:
            if run.id in missed:
                self._withdraw(run)
                self._let_go(run)
        if begins := [run for run in late if run.id not in missed]:
            await self._start(begins)
        self._tell_of_room()

    async def _start(self, batch: Sequence[TakenRun]) -> None:
        started = await self._transitions.begin(batch)
        if started is None:
            for run in batch:
                self._withdraw(run)
                self._put_back(run)
            return
        for run in batch:
            if run.id in started:
                self._attempts.begin(run, _NOT_RUNG if run.id in self._given_up else None)
            else:
                self._withdraw(run)
                self._ask_soon(self._resolve(run))
        self._attempts.show()
        self._tell_of_room()

    def _withdraw(self, run: TakenRun) -> None:
        """A run that was to begin does not."""
        gate = self.gates.of(run)
        if run.id not in self._given_up:
            gate.withdraw()
        self._slots.give_back(gate.holder)
        self._waiting.freed(gate)

    def _ended(self, run: TakenRun, started_at: datetime, answer: Answer) -> None:
        gate = self.gates.of(run)
        if run.id not in self._given_up:
            gate.end(datetime.now(UTC), started_at, answer)
        self._slots.give_back(gate.holder)
        self._waiting.freed(gate)
        self._let_go(run)

    def _tell_of_room(self) -> None:
        WAITING.set(len(self._waiting))
        self._bytes.show()
        self._room.tell()

    async def _resolve(self, run: TakenRun) -> None:
        """Find out why a run could not begin: mostly, its overlap policy is to decide."""
        if await self._transitions.resolve(run):
            self._put_back(run)
        else:
            self._let_go(run)

    def _put_back(self, run: TakenRun) -> None:
        self._keep(run)
        self._let_go(run)

    def _let_go(self, run: TakenRun) -> None:
        self._bytes.drop(run)
        self._room.tell()
        self._held.discard(run.id)
        self._given_up.discard(run.id)
        self._attempts.forget(run.id)
        again = self._taken_again.pop(run.id, None)
        if again is not None:
            self._keep(again)
        self._changed.set()

    async def _wait_for_work(self) -> None:
        seconds = IDLE_SECONDS
        due_at = self._waiting.next_due()
        if due_at is not None and self._slots.free > 0:
            upcoming = due_at - HEAD_START - datetime.now(UTC)
            seconds = min(max(upcoming.total_seconds(), 0), IDLE_SECONDS)
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            pass


def _apart(batch: Sequence[TakenRun], now: datetime) -> tuple[Sequence[TakenRun], list[TakenRun]]:
    """Runs that begin, and those that may be too late for it."""
    late_before = now - TOLERANCE
    late = [run for run in batch if run.due_at < late_before and is_late(run, now)]
    if not late:
        return batch, late
    ids = {run.id for run in late}
    return [run for run in batch if run.id not in ids], late
