"""Runs that cannot ring now: deferred, given up, or ended as missed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import structlog
from prometheus_client import Counter

from commands.firing.defer_runs import DeferRuns, defer_runs
from commands.firing.miss_runs import MissRuns, is_late, miss_runs
from commands.firing.take_runs import TakenRun
from domain.policies.catchup import TOLERANCE
from domain.policies.deferral import give_up_at
from domain.runs.run import Outcome, RunState
from storage.error_kinds import kind_of
from storage.postgres.clock_offset import read_clocks
from storage.postgres.pools import UNREACHABLE, Database
from workers.targets.answer import Answer
from workers.targets.limits.target_limiter import SOON
from workers.worker.config import WorkerConfig
from workers.worker.recorder import RUNS

log = structlog.get_logger()
DEFERRED = Counter(
    "tocsin_deferred_runs_total",
    "Times that a run was deferred because its target could not be rung.",
)
NOT_RUNG = Answer(
    outcome=Outcome.FAILED,
    error="The target was not rung: it has been failing, or taking less than it was to get.",
)

Deferral = tuple[TakenRun, datetime]
"""A run, and when it may be claimed again."""


class UnreadyRuns:
    """Moves a worker's runs out of its hands in Postgres."""

    def __init__(self, database: Database, worker_id: UUID, config: WorkerConfig) -> None:
        self._database = database
        self._worker_id = worker_id
        self._retry_seconds = config.retry_seconds

    def split(
        self, overdue: Sequence[Deferral], now: datetime
    ) -> tuple[list[TakenRun], list[Deferral]]:
        """Runs whose time to wait for their targets is over, and runs to defer."""
        given_up: dict[UUID, TakenRun] = {}
        deferred = []
        for run, until in overdue:
            end = give_up_at(run.ready_at, run.first_started_at, run.retry.max_retry_duration)
            if end <= now and run.job_id not in given_up:  # of a job, one attempt at a time begins
                given_up[run.job_id] = run
            else:
                deferred.append((run, max(min(until, end), now + SOON)))
        return list(given_up.values()), deferred

    async def defer(self, runs: Sequence[Deferral]) -> bool:
        """Defer runs in Postgres; False, after a pause, if that failed."""
        try:
            await defer_runs(DeferRuns(worker_id=self._worker_id, runs=runs), self._database)
        except Exception as error:
            if isinstance(error, UNREACHABLE):
                log.warning("ringer.defer_failed", count=len(runs), error=kind_of(error))
            else:
                log.exception("ringer.defer_failed", count=len(runs))
            await asyncio.sleep(self._retry_seconds)
            return False
        DEFERRED.inc(len(runs))
        return True

    async def miss(self, late: Sequence[TakenRun]) -> set[UUID] | None:
        """End runs beyond their catch-up windows; return which; None, after a pause, if unknown."""
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
        await asyncio.sleep(self._retry_seconds)
        return None


def split_late(
    batch: Sequence[TakenRun], now: datetime
) -> tuple[Sequence[TakenRun], list[TakenRun]]:
    """Runs to begin, and runs that may be beyond their catch-up windows."""
    late_before = now - TOLERANCE
    late = [run for run in batch if run.due_at < late_before and is_late(run, now)]
    if not late:
        return batch, late
    ids = {run.id for run in late}
    return [run for run in batch if run.id not in ids], late
