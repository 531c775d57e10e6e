"""Put runs off whose target cannot be rung now: a dispatcher claims them again when it may be."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from commands.take_runs import TakenRun
from storage.partitions import looked_up
from storage.postgres import Database

# They have not begun: no attempt is counted, and `due_at`, from which lateness counts, stays.
DEFER = f"""
UPDATE runs
SET state = CASE attempt_count WHEN 0 THEN 'scheduled' ELSE 'retrying' END, held_by = NULL,
    retry_at = deferred.until
FROM unnest($2::uuid[], $3::uuid[], $4::timestamptz[], $5::uuid[], $6::timestamptz[],
    $7::timestamptz[])
    AS deferred (service_id, job_id, scheduled_for, id, due_at, until)
WHERE {looked_up("deferred", "$8", "$9")} AND runs.job_id = deferred.job_id
    AND runs.scheduled_for = deferred.scheduled_for AND runs.id = deferred.id
    AND runs.held_by = $1 AND runs.state = 'queued' AND runs.due_at = deferred.due_at
"""


class DeferRuns(Struct, frozen=True, kw_only=True):
    """Attributes:
    runs: Each with the instant until which it is put off.
    """

    worker_id: UUID
    runs: Sequence[tuple[TakenRun, datetime]]


async def defer_runs(command: DeferRuns, database: Database) -> None:
    """Give the runs back to Postgres, those of them that are still this worker's and wait."""
    runs = [run for run, _ in command.runs]
    fire_times = [run.scheduled_for for run in runs]
    async with database.driver() as driver:
        await driver.execute(
            DEFER,
            command.worker_id,
            [run.service_id for run in runs],
            [run.job_id for run in runs],
            fire_times,
            [run.id for run in runs],
            [run.due_at for run in runs],
            [until for _, until in command.runs],
            min(fire_times),
            max(fire_times),
        )
