"""Put runs off whose target cannot be rung now: a dispatcher claims them again when it may be."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import structlog
from msgspec import Struct

from commands.firing.take_runs import TakenRun
from domain.runs.run import RunState
from storage.postgres.pools import Database, Driver
from storage.runs.fences import move_all
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
    async with database.driver() as driver:
        left = await move_all(
            driver,
            command.runs,
            lambda runs: _defer(driver, command.worker_id, runs),
            lambda deferred: deferred[0].fence(command.worker_id, RunState.QUEUED),
        )
    if left:
        # The worker finds such a run again: it is queued, and nobody has it in hand.
        log.error("runs.not_deferred", run_ids=[str(run.id) for run, _ in left])


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
