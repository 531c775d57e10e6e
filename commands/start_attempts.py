"""Begin attempts, in the last moment at which an edit of the job could still win."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from commands.take_runs import TakenRun
from domain.overlap import Overlap
from storage.partitions import looked_up
from storage.postgres import Database, Driver
from storage.turns import NO_RUN, first_in_order


# Asked again after a lost reply, it answers the same: hence the second half of the last condition.
#
# A run begins only if it has its job's turn. The row in `turns` is locked by the upsert, and what
# is asked of the run that had the turn before is whether it is *known to have ended*: of two
# workers at once, the second sees at least that the first one's run is open, or does not see it.
# The turn is locked before the run, as wherever both are. A run that was withdrawn meanwhile gets
# a turn for nothing; the next one finds that out (commands/resolve_overlap.py).
# It is begun a moment before it is due, and rings when it is.
# The run before is asked for as a value: `EXISTS` may be answered from a table of all ended runs.
def _start(run_id: str) -> str:
    """Args:
    run_id: The run that is to have the turn of the job of `wanted`, or none.
    """
    return f"""
WITH wanted AS MATERIALIZED (
    SELECT *
    FROM unnest($2::uuid[], $3::uuid[], $4::timestamptz[], $5::uuid[], $6::smallint[],
        $7::timestamptz[], $8::boolean[])
        AS run (service_id, job_id, scheduled_for, id, number, due_at, takes_turn)
), turn AS (
    INSERT INTO turns (service_id, job_id, run_id, scheduled_for)
    SELECT service_id, job_id, {run_id}, scheduled_for
    FROM wanted
    WHERE takes_turn
    ORDER BY service_id, job_id
    ON CONFLICT (service_id, job_id) DO UPDATE
    SET run_id = excluded.run_id, scheduled_for = excluded.scheduled_for
    WHERE turns.run_id = excluded.run_id
        OR NOT turns.contended AND (
            SELECT NOT before.open FROM runs AS before
            WHERE before.service_id = turns.service_id AND before.job_id = turns.job_id
                AND before.scheduled_for = turns.scheduled_for AND before.id = turns.run_id
        )
    RETURNING run_id
)
UPDATE runs
SET state = 'running', attempt_count = wanted.number,
    attempt_started_at = greatest($9, wanted.due_at)
FROM wanted
WHERE {looked_up("wanted", "$10", "$11")} AND runs.job_id = wanted.job_id
    AND runs.scheduled_for = wanted.scheduled_for AND runs.id = wanted.id
    AND (NOT wanted.takes_turn OR wanted.id IN (SELECT run_id FROM turn))
    AND runs.held_by = $1 AND runs.due_at = wanted.due_at
    AND (runs.state = 'queued' AND runs.attempt_count = wanted.number - 1
        OR runs.state = 'running' AND runs.attempt_count = wanted.number)
RETURNING runs.id
"""


START = _start("id")
# Of runs that begin in order, one that has not its job's turn yet gets it if none is open that was
# due before. A row in `turns` is there afterwards in any case, and locked by whoever decides then.
START_IN_ORDER = _start(f"""
    CASE WHEN (SELECT turns.run_id FROM turns WHERE turns.service_id = wanted.service_id
            AND turns.job_id = wanted.job_id) = wanted.id
        OR ({first_in_order("wanted.service_id", "wanted.job_id")}) = wanted.id
    THEN id ELSE '{NO_RUN}' END
""")


class StartAttempts(Struct, frozen=True, kw_only=True):
    """Attributes:
    runs: At most one of each job whose runs take turns (workers/waiting.py).
    """

    worker_id: UUID
    runs: Sequence[TakenRun]
    now: datetime


async def start_attempts(command: StartAttempts, database: Database) -> set[UUID]:
    """Move runs to running, and return the ids of those that may ring.

    Of each of the others, either another run of its job has the turn, or it was paused, edited,
    deleted or rescued since this worker took it.
    """
    in_order = [run for run in command.runs if run.overlap is Overlap.BUFFER_ALL]
    others = [run for run in command.runs if run.overlap is not Overlap.BUFFER_ALL]
    async with database.driver() as driver:
        started = await _started(driver, START, command, others) if others else set()
        if in_order:
            started |= await _started(driver, START_IN_ORDER, command, in_order)
    return started


async def _started(
    driver: Driver, statement: str, command: StartAttempts, runs: Sequence[TakenRun]
) -> set[UUID]:
    fire_times = [run.scheduled_for for run in runs]
    rows = await driver.fetch(
        statement,
        command.worker_id,
        [run.service_id for run in runs],
        [run.job_id for run in runs],
        fire_times,
        [run.id for run in runs],
        [run.number for run in runs],
        [run.due_at for run in runs],
        [run.overlap is not Overlap.ALLOW_ALL for run in runs],
        command.now,
        min(fire_times),
        max(fire_times),
    )
    return {row["id"] for row in rows}
