"""Take over handed-over runs: from here on this worker process owns them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
from msgspec import Struct

from domain.ids import fire_time_window
from domain.overlap import Overlap
from domain.retry import RetryPolicy
from domain.secrets import MARK
from domain.targets import Target
from storage.jobs import decode_retry, decode_target
from storage.partitions import looked_up, of_days
from storage.postgres import Database, Driver
from storage.queue import RunKey
from storage.run_events import with_event

# A second message for a run finds it in other hands or further on, and one that comes early must
# not jump a retry's backoff: both take nothing. What is in this worker's hands already is told
# again, in case the first reply was lost.
#
# A message tells no more than a run's id: the rest of its key is found first, as the first id of
# its service from there on. Only an index in the order of ids can answer that, also on a day so
# young that any index of the service looks as good.
TAKE = f"""
WITH found AS MATERIALIZED (
    SELECT run.*
    FROM unnest($2::uuid[], $3::uuid[]) AS message (service_id, id)
    CROSS JOIN LATERAL (
        SELECT service_id, job_id, scheduled_for, id FROM runs
        WHERE runs.service_id = message.service_id AND {of_days("$4", "$5")}
            AND runs.id >= message.id
        ORDER BY id LIMIT 1
    ) AS run
    WHERE run.id = message.id
), taken AS (
    UPDATE runs
    SET state = 'queued', held_by = $1, retry_at = NULL
    FROM found
    WHERE {looked_up("found", "$4", "$5")} AND runs.job_id = found.job_id
        AND runs.scheduled_for = found.scheduled_for AND runs.id = found.id
        AND (runs.state IN ('scheduled', 'retrying') AND runs.due_at <= $6
            OR runs.state = 'queued' AND runs.held_by = $1)
        AND NOT runs.buffered
    RETURNING runs.service_id, runs.job_id, runs.id, runs.scheduled_for, runs.due_at,
        runs.attempt_count, runs.started_at, runs.overlap
)
SELECT taken.*, job.*,
    (SELECT signing_secrets FROM services WHERE services.id = taken.service_id) AS signing_secrets
FROM taken
LEFT JOIN LATERAL (
    SELECT version, target, retry, catchup FROM jobs
    WHERE jobs.service_id = taken.service_id AND jobs.id = taken.job_id OFFSET 0
) AS job ON true
"""

_CANCEL = with_event("""
UPDATE runs
SET state = 'cancelled', open = false, held_by = NULL, finished_at = $3,
    reason = 'The job was deleted.'
FROM unnest($1::uuid[], $2::uuid[]) AS orphan (service_id, id)
WHERE runs.service_id = orphan.service_id AND runs.id = orphan.id AND runs.state = 'queued'
""")


class TakeRuns(Struct, frozen=True, kw_only=True):
    """Attributes:
    until: Runs that are due later stay where they are.
    """

    worker_id: UUID
    runs: list[RunKey]
    now: datetime
    until: datetime


class TakenRun(Struct, frozen=True, kw_only=True):
    """A run and all that its ring needs, so that nothing is looked up at the due instant.

    Attributes:
        number: The attempt to come.
        first_started_at: When the first attempt began, if there was one.
        job_version: Of what was read here; a later take of the same run may know better.
        signing_secrets: As they are stored (storage.signing_secrets).
        catchup: The job's policy as it is stored: only a late run's is looked into.
        has_references: Whether secrets are to be filled into the target.
    """

    service_id: UUID
    job_id: UUID
    id: UUID
    scheduled_for: datetime
    due_at: datetime
    number: int
    first_started_at: datetime | None
    job_version: int
    target: Target
    retry: RetryPolicy
    overlap: Overlap
    signing_secrets: list[str]
    catchup: str = "{}"
    has_references: bool = False


async def take_runs(command: TakeRuns, database: Database) -> list[TakenRun]:
    """Own those of the runs that still wait; runs of a deleted job end as cancelled."""
    async with database.driver() as driver:
        rows = await _take(driver, command, command.runs)
        if len(rows) < len(command.runs):
            # It may be that one was taken and is not told of (storage/fences.py). If so once more,
            # which is rarer still, it is handed over again.
            taken = {row["id"] for row in rows}
            missing = [key for key in command.runs if key[1] not in taken]
            rows += await _take(driver, command, missing)
        orphans = [row for row in rows if row["version"] is None]
        if orphans:
            await driver.execute(
                _CANCEL,
                [row["service_id"] for row in orphans],
                [row["id"] for row in orphans],
                command.now,
            )
    return [
        TakenRun(
            service_id=row["service_id"],
            job_id=row["job_id"],
            id=row["id"],
            scheduled_for=row["scheduled_for"],
            due_at=row["due_at"],
            number=row["attempt_count"] + 1,
            first_started_at=row["started_at"],
            job_version=row["version"],
            target=decode_target(row["target"]),
            retry=decode_retry(row["retry"]),
            overlap=Overlap(row["overlap"]),
            signing_secrets=row["signing_secrets"],
            catchup=row["catchup"],
            has_references=MARK in row["target"],
        )
        for row in rows
        if row["version"] is not None
    ]


async def _take(driver: Driver, command: TakeRuns, runs: Sequence[RunKey]) -> list[asyncpg.Record]:
    windows = [fire_time_window(run) for _, run in runs]
    return await driver.fetch(
        TAKE,
        command.worker_id,
        [service_id for service_id, _ in runs],
        [run for _, run in runs],
        min(start for start, _ in windows),
        max(end for _, end in windows),
        command.until,
    )
