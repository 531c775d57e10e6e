"""Begin attempts, in the last moment at which an edit of the job could still win."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from commands.take_runs import TakenRun
from storage.postgres import Database

# Asked again after a lost reply, it answers the same: hence the second half of the condition.
#
# A run begins only if it has its job's turn. The row in `turns` is locked by the upsert, and what
# is asked of the run that had the turn before is whether it is *known to have ended*: of two
# workers at once, the second sees at least that the first one's run is open, or does not see it.
#
# The turn is locked before the run, as wherever both are: hence no lock in `mine`, and the same
# conditions once more where runs are updated.
_OURS = """runs.held_by = $1
        AND (runs.state = 'queued' AND runs.attempt_count = {mine}.number - 1
            OR runs.state = 'running' AND runs.attempt_count = {mine}.number)"""
_START = f"""
WITH mine AS MATERIALIZED (
    SELECT runs.service_id, runs.job_id, runs.scheduled_for, runs.generation, runs.id, runs.overlap,
        runs.due_at, wanted.number
    FROM unnest($2::uuid[], $3::uuid[], $4::smallint[], $8::timestamptz[])
        AS wanted (service_id, id, number, due_at)
    JOIN runs ON runs.service_id = wanted.service_id AND runs.id = wanted.id
    WHERE runs.scheduled_for BETWEEN $6 AND $7
        AND runs.due_at = wanted.due_at AND {_OURS.format(mine="wanted")}
), turn AS (
    INSERT INTO turns (service_id, job_id, run_id, scheduled_for)
    SELECT service_id, job_id, id, scheduled_for
    FROM mine
    WHERE overlap <> 'allow_all'
    ORDER BY service_id, job_id
    ON CONFLICT (service_id, job_id) DO UPDATE
    SET run_id = excluded.run_id, scheduled_for = excluded.scheduled_for
    WHERE turns.run_id = excluded.run_id
        OR NOT turns.contended AND EXISTS (
            SELECT FROM runs AS before
            WHERE before.service_id = turns.service_id AND before.job_id = turns.job_id
                AND before.scheduled_for = turns.scheduled_for AND before.id = turns.run_id
                AND NOT before.open
        )
    RETURNING run_id
), started AS (
    UPDATE runs
    SET state = 'running', attempt_count = mine.number, attempt_started_at = $5
    FROM mine
    WHERE runs.service_id = mine.service_id AND runs.job_id = mine.job_id
        AND runs.scheduled_for = mine.scheduled_for AND runs.generation = mine.generation
        AND runs.scheduled_for BETWEEN $6 AND $7
        AND runs.due_at = mine.due_at AND {_OURS.format(mine="mine")}
        AND (mine.overlap = 'allow_all' OR mine.id IN (SELECT run_id FROM turn))
    RETURNING runs.id
)
SELECT mine.id, mine.id IN (SELECT id FROM started) AS started FROM mine
"""


class StartAttempts(Struct, frozen=True, kw_only=True):
    """Attributes:
    runs: At most one of each job.
    """

    worker_id: UUID
    runs: Sequence[TakenRun]
    now: datetime


class Begun(Struct, frozen=True, kw_only=True):
    """Attributes:
    started: May ring.
    blocked: Another run of their job has the turn: the overlap policy decides.
    """

    started: set[UUID]
    blocked: set[UUID]


async def start_attempts(command: StartAttempts, database: Database) -> Begun:
    """Move runs to running.

    Those that are neither started nor blocked were paused, edited, deleted or rescued since this
    worker took them.
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
    return Begun(
        started={row["id"] for row in rows if row["started"]},
        blocked={row["id"] for row in rows if not row["started"]},
    )
