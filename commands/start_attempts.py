"""Begin attempts, in the last moment at which an edit of the job could still win."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from commands.take_runs import TakenRun
from storage.postgres import Database

# Asked again after a lost reply, it answers the same: hence the second half of the condition.
_START = """
UPDATE runs
SET state = 'running', attempt_count = wanted.number, attempt_started_at = $5
FROM unnest($2::uuid[], $3::uuid[], $4::smallint[], $8::timestamptz[])
    AS wanted (service_id, id, number, due_at)
WHERE runs.service_id = wanted.service_id AND runs.id = wanted.id
    AND runs.scheduled_for BETWEEN $6 AND $7
    AND runs.held_by = $1 AND runs.due_at = wanted.due_at
    AND (runs.state = 'queued' AND runs.attempt_count = wanted.number - 1
        OR runs.state = 'running' AND runs.attempt_count = wanted.number)
RETURNING runs.id
"""


class StartAttempts(Struct, frozen=True, kw_only=True):
    worker_id: UUID
    runs: Sequence[TakenRun]
    now: datetime


async def start_attempts(command: StartAttempts, database: Database) -> set[UUID]:
    """Move runs to running and return the ids of those that may ring.

    The others were paused, edited, deleted or rescued since this worker took them.
    """
    fire_times = [run.scheduled_for for run in command.runs]
    async with database.driver() as driver:
        rows = await driver.fetch(
            _START,
            command.worker_id,
            [run.service_id for run in command.runs],
            [run.id for run in command.runs],
            [run.number for run in command.runs],
            command.now,
            min(fire_times),
            max(fire_times),
            [run.due_at for run in command.runs],
        )
    return {row["id"] for row in rows}
