"""Brings a worker's runs from state to state in Postgres, and goes on where that is in trouble."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from uuid import UUID

import structlog
from prometheus_client import Counter

from commands.defer_runs import DeferRuns, defer_runs
from commands.miss_runs import MissRuns, miss_runs
from commands.resolve_overlap import ResolveOverlap, resolve_overlap
from commands.start_attempts import StartAttempts, start_attempts
from commands.take_runs import TakenRun
from domain.run import RunState
from storage.clock_offset import read_clocks
from storage.error_kinds import kind_of
from storage.postgres import UNREACHABLE, Database
from workers.process_health import Vitals
from workers.worker.recorder import RUNS

log = structlog.get_logger()
DEFERRED = Counter(
    "tocsin_deferred_runs_total", "Times that a run was put off since its target could not be rung."
)

RETRY_SECONDS = 0.1
WRONG_CLOCK_SECONDS = 0.25
RESOLVE_AGAIN_SECONDS = 1.0
RESOLVE_AT_ONCE = 2
"""Overlaps are decided one by one, on few connections: what is on time needs the others."""


class Transitions:
    """Of the runs that one worker process has in hand.

    Args:
        is_stopping: Whether what has not begun is to be given back.
    """

    def __init__(
        self,
        database: Database,
        worker_id: UUID,
        vitals: Vitals,
        is_stopping: Callable[[], bool],
    ) -> None:
        self._database = database
        self._worker_id = worker_id
        self._vitals = vitals
        self._is_stopping = is_stopping
        self._resolving = asyncio.Semaphore(RESOLVE_AT_ONCE)

    async def begin(self, batch: Sequence[TakenRun]) -> set[UUID] | None:
        """Which of these may ring; None where the ringer stops before that is known.

        An attempt may have begun though the answer was lost. What only waits is put off when its
        target is slow: such a run would be running, and nobody would ring it.
        """
        while not self._is_stopping():
            self._vitals.beat("ringer")
            if self._database.clock.trouble(read_clocks()):
                await asyncio.sleep(WRONG_CLOCK_SECONDS)
                continue
            command = StartAttempts(worker_id=self._worker_id, runs=batch, now=datetime.now(UTC))
            try:
                return await start_attempts(command, self._database)
            except UNREACHABLE as error:
                log.warning("ringer.start_failed", error=kind_of(error))
            await asyncio.sleep(RETRY_SECONDS)
        return None

    async def miss(self, late: Sequence[TakenRun]) -> set[UUID] | None:
        """Which of these have ended; None where that is not known, a moment later."""
        if not self._database.clock.trouble(read_clocks()):
            command = MissRuns(worker_id=self._worker_id, runs=late, now=datetime.now(UTC))
            try:
                missed = await miss_runs(command, self._database)
            except UNREACHABLE as error:
                log.warning("ringer.miss_failed", count=len(late), error=kind_of(error))
            except Exception:
                log.exception("ringer.miss_failed", count=len(late))
            else:
                RUNS.labels(RunState.MISSED).inc(len(missed))
                return missed
        await asyncio.sleep(RETRY_SECONDS)
        return None

    async def defer(self, runs: Sequence[tuple[TakenRun, datetime]]) -> bool:
        """Whether these are put off; if not, it is a moment later."""
        try:
            await defer_runs(DeferRuns(worker_id=self._worker_id, runs=runs), self._database)
        except Exception as error:
            if isinstance(error, UNREACHABLE):
                log.warning("ringer.defer_failed", count=len(runs), error=kind_of(error))
            else:
                log.exception("ringer.defer_failed", count=len(runs))
            await asyncio.sleep(RETRY_SECONDS)
            return False
        DEFERRED.inc(len(runs))
        return True

    async def resolve(self, run: TakenRun) -> bool:
        """Whether a run that could not begin is to be begun again: its overlap policy decides."""
        try:
            async with self._resolving:
                now = datetime.now(UTC)
                command = ResolveOverlap(worker_id=self._worker_id, run=run, now=now)
                return await resolve_overlap(command, self._database)
        except UNREACHABLE as error:
            log.warning("ringer.overlap_unresolved", run_id=str(run.id), error=kind_of(error))
        except Exception:
            log.exception("ringer.overlap_failed", run_id=str(run.id))
            await asyncio.sleep(RESOLVE_AGAIN_SECONDS)
        return True  # begun again, it is blocked again if it still is
