"""Rescue runs whose worker process no longer beats."""

from __future__ import annotations

from datetime import datetime

import asyncpg
from msgspec import Struct
from msgspec.structs import replace

from commands.finish_attempts import EndedAttempt, finish_attempts
from domain.retry import RetryPolicy
from domain.run import Outcome
from storage.aborts import forget_lapsed
from storage.jobs import decode_retry
from storage.postgres import Driver
from storage.queue import RunKey
from storage.shards import Shard

RUNS_AT_ONCE = 1_000
_LOST_AGAIN = (
    "The worker that made this attempt stopped before it ended, as did the one before: the run is"
    " not tried again."
)

_FREE_WAITING = """
UPDATE runs
SET state = CASE attempt_count WHEN 0 THEN 'scheduled' ELSE 'retrying' END, held_by = NULL
WHERE (service_id, job_id, scheduled_for, generation) IN (
    SELECT service_id, job_id, scheduled_for, generation
    FROM runs
    WHERE open AND state = 'queued'
        AND NOT EXISTS (SELECT FROM workers WHERE id = held_by AND heartbeat_at >= $1)
    ORDER BY due_at
    LIMIT $2
    FOR UPDATE SKIP LOCKED
) AND state = 'queued'
RETURNING service_id, id
"""

_RINGING = """
SELECT runs.service_id, runs.job_id, runs.id, runs.scheduled_for, runs.held_by,
    runs.attempt_count, runs.attempt_started_at, runs.started_at, jobs.retry,
    EXISTS (
        SELECT FROM attempts
        WHERE attempts.service_id = runs.service_id AND attempts.run_id = runs.id
            AND attempts.scheduled_for = runs.scheduled_for
            AND attempts.number = runs.attempt_count - 1 AND attempts.outcome = 'abandoned'
    ) AS lost_before
FROM runs
LEFT JOIN jobs ON jobs.service_id = runs.service_id AND jobs.id = runs.job_id
WHERE runs.open AND runs.state = 'running'
    AND NOT EXISTS (SELECT FROM workers WHERE workers.id = held_by AND heartbeat_at >= $1)
ORDER BY runs.due_at
LIMIT $2
"""


class RescueRuns(Struct, frozen=True, kw_only=True):
    """Attributes:
    lapsed_before: A heartbeat older than this has lapsed.
    """

    now: datetime
    lapsed_before: datetime


async def rescue_runs(command: RescueRuns, shard: Shard) -> list[RunKey]:
    """Free what only waited, end what rang as abandoned; harmless when done twice at once.

    Returns:
        Freed runs, ready to be handed over. Abandoned ones come back as retries.
    """
    async with shard.database.driver() as driver:
        freed = await driver.fetch(_FREE_WAITING, command.lapsed_before, RUNS_AT_ONCE)
        ringing = await _ringing(driver, command)
        await forget_lapsed(driver, command.lapsed_before)
    await finish_attempts([_lost(row, command.now) for row in ringing], shard)
    return [(row["service_id"], row["id"]) for row in freed]


async def _ringing(driver: Driver, command: RescueRuns) -> list[asyncpg.Record]:
    return list(await driver.fetch(_RINGING, command.lapsed_before, RUNS_AT_ONCE))


def _lost(row: asyncpg.Record, now: datetime) -> EndedAttempt:
    attempt = _abandoned(row, now)
    return replace(attempt, lost_again=True, error=_LOST_AGAIN) if row["lost_before"] else attempt


def _abandoned(row: asyncpg.Record, now: datetime) -> EndedAttempt:
    return EndedAttempt(
        service_id=row["service_id"],
        job_id=row["job_id"],
        run_id=row["id"],
        scheduled_for=row["scheduled_for"],
        held_by=row["held_by"],
        number=row["attempt_count"],
        started_at=row["attempt_started_at"],
        first_started_at=row["started_at"],
        finished_at=now,
        outcome=Outcome.ABANDONED,
        # A job deleted meanwhile has no policy: its run is cancelled when it is next taken.
        retry=decode_retry(row["retry"]) if row["retry"] else RetryPolicy(),
        draw=0.0,
        error="The worker that made this attempt stopped before it ended.",
    )
