"""Put runs off whose target cannot be rung now: a dispatcher claims them again when it may be."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import structlog
from msgspec import Struct

from commands.take_runs import TakenRun
from domain.run import RunState
from storage.fences import ASK_AT_MOST, Fence, still_fenced
from storage.postgres import Database, Driver
from storage.sql import statement

log = structlog.get_logger()
DEFER = statement("attempts/defer")


class DeferRuns(Struct, frozen=True, kw_only=True):
    """Attributes:
    runs: Each with the instant until which it is put off.
    """

    worker_id: UUID
    runs: Sequence[tuple[TakenRun, datetime]]


async def defer_runs(command: DeferRuns, database: Database) -> None:
    """Give the runs back to Postgres, those of them that are still this worker's and wait."""
    runs = command.runs
    async with database.driver() as driver:
        for _ in range(ASK_AT_MOST):
            deferred = await _defer(driver, command.worker_id, runs)
            missing = [(run, until) for run, until in runs if run.id not in deferred]
            fences = [_fence(run, command.worker_id) for run, _ in missing]
            waiting = await still_fenced(driver, fences)
            runs = [(run, until) for run, until in missing if run.id in waiting]
            if not runs:
                return
    # The worker finds such a run again: it is queued, and nobody has it in hand.
    log.error("runs.not_deferred", run_ids=[str(run.id) for run, _ in runs])


def _fence(run: TakenRun, worker_id: UUID) -> Fence:
    return Fence(
        service_id=run.service_id,
        job_id=run.job_id,
        scheduled_for=run.scheduled_for,
        id=run.id,
        owned_by=worker_id,
        state=RunState.QUEUED,
        attempt_count=run.number - 1,
        due_at=run.due_at,
    )


async def _defer(
    driver: Driver, worker_id: UUID, runs: Sequence[tuple[TakenRun, datetime]]
) -> set[UUID]:
    fire_times = [run.scheduled_for for run, _ in runs]
    rows = await DEFER.fetch(
        driver,
        worker_id=worker_id,
        service_ids=[run.service_id for run, _ in runs],
        job_ids=[run.job_id for run, _ in runs],
        fire_times=fire_times,
        run_ids=[run.id for run, _ in runs],
        due_at=[run.due_at for run, _ in runs],
        until=[until for _, until in runs],
        first=min(fire_times),
        last=max(fire_times),
    )
    return {row["id"] for row in rows}
