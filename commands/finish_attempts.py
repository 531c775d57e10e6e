"""Record how attempts ended, and with them their runs, or when the next attempt is due."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from msgspec import Struct

from domain.retry import RetryPolicy
from domain.run import Outcome, RunState
from storage.postgres import Database

# An abandoned attempt is no answer of the target: it does not end a run, unless it keeps happening.
MAX_ABANDONED_BEYOND = 5

# Fenced by holder and attempt number: a late worker changes nothing, and records nothing.
_FINISH = """
WITH ended AS (
    SELECT *
    FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::uuid[], $5::smallint[],
        $6::timestamptz[], $7::timestamptz[], $8::text[], $9::smallint[], $10::text[], $11::text[],
        $12::text[], $13::timestamptz[])
        AS attempt (service_id, run_id, scheduled_for, held_by, number, started_at, finished_at,
            outcome, status_code, error, response_excerpt, run_state, retry_at)
), finished AS (
    UPDATE runs
    SET state = ended.run_state,
        open = ended.retry_at IS NOT NULL,
        retry_at = ended.retry_at,
        due_at = coalesce(ended.retry_at, runs.due_at),
        held_by = NULL,
        started_at = coalesce(runs.started_at, ended.started_at),
        lateness_ms = coalesce(runs.lateness_ms,
            extract(epoch FROM ended.started_at - runs.due_at) * 1000),
        finished_at = CASE WHEN ended.retry_at IS NULL THEN ended.finished_at END
    FROM ended
    WHERE runs.service_id = ended.service_id AND runs.id = ended.run_id
        AND runs.scheduled_for = ended.scheduled_for
        AND runs.scheduled_for BETWEEN $14 AND $15
        AND runs.state = 'running' AND runs.attempt_count = ended.number
        AND runs.held_by = ended.held_by
    RETURNING ended.*
)
INSERT INTO attempts (service_id, run_id, number, scheduled_for, started_at, finished_at, outcome,
    status_code, error, response_excerpt)
SELECT service_id, run_id, number, scheduled_for, started_at, finished_at, outcome, status_code,
    error, response_excerpt
FROM finished
RETURNING run_id
"""


class EndedAttempt(Struct, frozen=True, kw_only=True):
    """One attempt that ended.

    Attributes:
        held_by: The worker process that made it.
        draw: Where in the backoff the jitter falls, 0 to 1.
    """

    service_id: UUID
    run_id: UUID
    scheduled_for: datetime
    held_by: UUID
    number: int
    started_at: datetime
    finished_at: datetime
    outcome: Outcome
    retry: RetryPolicy
    draw: float
    status_code: int | None = None
    error: str | None = None
    response_excerpt: str | None = None


async def finish_attempts(attempts: Sequence[EndedAttempt], database: Database) -> set[UUID]:
    """Record attempts that ended; safe to repeat.

    Returns:
        The ids of the runs whose attempt was recorded.
    """
    if not attempts:
        return set()
    ends = [end_of(attempt) for attempt in attempts]
    fire_times = [attempt.scheduled_for for attempt in attempts]
    async with database.driver() as driver:
        rows = await driver.fetch(
            _FINISH,
            [attempt.service_id for attempt in attempts],
            [attempt.run_id for attempt in attempts],
            fire_times,
            [attempt.held_by for attempt in attempts],
            [attempt.number for attempt in attempts],
            [attempt.started_at for attempt in attempts],
            [attempt.finished_at for attempt in attempts],
            [attempt.outcome for attempt in attempts],
            [attempt.status_code for attempt in attempts],
            [attempt.error for attempt in attempts],
            [attempt.response_excerpt for attempt in attempts],
            [state for state, _ in ends],
            [retry_at for _, retry_at in ends],
            min(fire_times),
            max(fire_times),
        )
    return {row["run_id"] for row in rows}


def end_of(attempt: EndedAttempt) -> tuple[RunState, datetime | None]:
    """The run's state after an attempt, and when the next attempt is due, if there is one."""
    if attempt.outcome is Outcome.SUCCEEDED:
        return RunState.SUCCEEDED, None
    delay = _delay_after(attempt)
    if delay is None:
        return RunState.FAILED, None
    return RunState.RETRYING, attempt.finished_at + delay


def _delay_after(attempt: EndedAttempt) -> timedelta | None:
    if attempt.outcome is not Outcome.ABANDONED:
        return attempt.retry.delay_after(attempt.number, draw=attempt.draw)
    if attempt.number >= attempt.retry.max_attempts + MAX_ABANDONED_BEYOND:
        return None
    return timedelta(0)
