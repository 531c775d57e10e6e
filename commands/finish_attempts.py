"""Record how attempts ended, and with them their runs, or when the next attempt is due."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from msgspec import Struct

from domain.caller import Caller
from domain.errors import NotFound
from domain.retry import RetryPolicy
from domain.run import Outcome, RunState
from storage.audit import record
from storage.fences import ASK_AT_MOST, Fence, still_fenced
from storage.job_entries import entry_of
from storage.partitions import looked_up
from storage.postgres import Driver
from storage.run_events import DURATION_MS, event_of
from storage.runs import lateness_ms
from storage.shards import Shard
from storage.shared_cache import CacheChanges

log = structlog.get_logger()
# An abandoned attempt is no answer of the target: it does not end a run, unless it keeps happening.
MAX_ABANDONED_BEYOND = 5
GONE = 410

# A run that was asked to end does so, unless its target had taken the ring by then.
_CUT_OFF = "(runs.abort AND ended.run_state <> 'succeeded')"

# Fenced by holder and attempt number: a late worker changes nothing, and records nothing.
FINISH = f"""
WITH ended AS (
    SELECT *
    FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[], $5::uuid[], $6::smallint[],
        $7::timestamptz[], $8::timestamptz[], $9::text[], $10::smallint[], $11::text[],
        $12::text[], $13::text[], $14::timestamptz[])
        AS attempt (service_id, job_id, run_id, scheduled_for, held_by, number, started_at,
            finished_at, outcome, status_code, error, response_excerpt, run_state, retry_at)
), finished AS (
    UPDATE runs
    SET state = CASE WHEN {_CUT_OFF} THEN 'cancelled' ELSE ended.run_state END,
        open = ended.retry_at IS NOT NULL AND NOT {_CUT_OFF},
        failed = ended.run_state = 'failed' AND NOT {_CUT_OFF},
        retry_at = CASE WHEN NOT {_CUT_OFF} THEN ended.retry_at END,
        due_at = CASE WHEN ended.retry_at IS NULL OR {_CUT_OFF} THEN runs.due_at
            ELSE ended.retry_at END,
        held_by = NULL,
        abort = false,
        reason = CASE WHEN {_CUT_OFF} THEN runs.reason END,
        started_at = coalesce(runs.started_at, greatest(ended.started_at, runs.due_at)),
        lateness_ms = coalesce(runs.lateness_ms, {lateness_ms("ended.started_at")}),
        finished_at = CASE WHEN ended.retry_at IS NULL OR {_CUT_OFF} THEN ended.finished_at END
    FROM ended
    WHERE {looked_up("ended", "$15", "$16")} AND runs.job_id = ended.job_id
        AND runs.scheduled_for = ended.scheduled_for AND runs.id = ended.run_id
        AND runs.state = 'running' AND runs.attempt_count = ended.number
        AND runs.held_by = ended.held_by
    RETURNING ended.*, runs.state, runs.lateness_ms, runs.overlap_wait_ms,
        {DURATION_MS} AS duration_ms
), recorded AS (
    INSERT INTO attempts (service_id, run_id, number, scheduled_for, started_at, finished_at,
        outcome, status_code, error, response_excerpt)
    SELECT service_id, run_id, number, scheduled_for, started_at, finished_at, outcome,
        status_code, error, response_excerpt
    FROM finished
), told AS (
    {event_of("finished")}
)
SELECT run_id, state, service_id, job_id, EXISTS (
    SELECT FROM turns
    WHERE turns.service_id = finished.service_id AND turns.job_id = finished.job_id AND contended
) AS contended
FROM finished
"""


class EndedAttempt(Struct, frozen=True, kw_only=True):
    """One attempt that ended.

    Attributes:
        held_by: The worker process that made it.
        first_started_at: When the run's first attempt began, if this is not the first.
        draw: Where in the backoff the jitter falls, 0 to 1.
        lost_again: Whether the worker of the attempt before was lost, too.
        retry_after: What the target asked for.
    """

    service_id: UUID
    job_id: UUID
    run_id: UUID
    scheduled_for: datetime
    held_by: UUID
    number: int
    started_at: datetime
    finished_at: datetime
    outcome: Outcome
    retry: RetryPolicy
    draw: float
    first_started_at: datetime | None = None
    retry_after: timedelta | None = None
    lost_again: bool = False
    status_code: int | None = None
    error: str | None = None
    response_excerpt: str | None = None


class Finished(Struct, frozen=True, kw_only=True):
    """Attributes:
    states: Of the runs whose attempt was recorded.
    contended: Jobs (`service_id` and `id`) of which other runs wait for their turn.
    """

    states: dict[UUID, RunState]
    contended: set[tuple[UUID, UUID]]

    def add(self, other: Finished) -> None:
        """Take in what another statement finished."""
        self.states.update(other.states)
        self.contended.update(other.contended)


async def finish_attempts(attempts: Sequence[EndedAttempt], shard: Shard) -> Finished:
    """Record attempts that ended, and pause jobs that must not go on; safe to repeat."""
    finished = Finished(states={}, contended=set())
    plain = [attempt for attempt in attempts if reason_to_pause(attempt) is None]
    if plain:
        async with shard.database.driver() as driver:
            finished.add(await _finish(driver, plain))
    for attempt in attempts:
        if (reason := reason_to_pause(attempt)) is not None:
            finished.add(await _finish_and_pause(attempt, reason, shard))
    return finished


def end_of(attempt: EndedAttempt) -> tuple[RunState, datetime | None]:
    """The run's state after an attempt, and when the next attempt is due, if there is one."""
    if attempt.outcome is Outcome.SUCCEEDED:
        return RunState.SUCCEEDED, None
    delay = _delay_after(attempt)
    if delay is None:
        return RunState.FAILED, None
    return RunState.RETRYING, attempt.finished_at + delay


def reason_to_pause(attempt: EndedAttempt) -> str | None:
    """Why the job must not go on after an attempt, if so."""
    if attempt.status_code == GONE:
        return "The target answered 410 Gone."
    if attempt.retry.pause_on_failure and end_of(attempt)[0] is RunState.FAILED:
        return f"Run {attempt.run_id} failed after {attempt.number} attempts: {attempt.error}"
    return None


def _delay_after(attempt: EndedAttempt) -> timedelta | None:
    if attempt.status_code == GONE:
        return None
    if attempt.outcome is not Outcome.ABANDONED:
        began = attempt.first_started_at or attempt.started_at
        return attempt.retry.delay_after(
            attempt.number,
            draw=attempt.draw,
            elapsed=attempt.finished_at - began,
            retry_after=attempt.retry_after,
        )
    # What two workers in turn were lost with may be what ended them.
    if attempt.lost_again or attempt.number >= attempt.retry.max_attempts + MAX_ABANDONED_BEYOND:
        return None
    return timedelta(0)


async def _finish_and_pause(attempt: EndedAttempt, reason: str, shard: Shard) -> Finished:
    """Both or neither: the run has failed and its job is paused."""
    await asyncio.to_thread(_import_sqlalchemy)
    from commands.pause_job import pause  # noqa: PLC0415
    from storage.job_changes import lock_job  # noqa: PLC0415

    try:
        cached = CacheChanges(voids=False)
        async with shard.writing(attempt.service_id, cached) as driver:
            row = await lock_job(driver, attempt.service_id, attempt.job_id)
            finished = await _finish(driver, [attempt])
            failed = finished.states.get(attempt.run_id) is RunState.FAILED
            if failed and not row["paused"]:
                job = await pause(driver, row, attempt.finished_at, reason)
                cached.entries.append(entry_of(job, attempt.finished_at))
                worker = Caller(service_id=attempt.service_id, principal="worker", request_id="")
                await record(
                    driver, worker, "job.paused", row["id"], attempt.finished_at, reason=reason
                )
            return finished
    except NotFound:  # the job was deleted meanwhile
        async with shard.database.driver() as driver:
            return await _finish(driver, [attempt])


def _import_sqlalchemy() -> None:
    """Import what a worker needs for nothing else, and rarely.

    It takes a second, and on a busy machine longer than a heartbeat lasts: not in the event loop.
    """
    import commands.pause_job  # noqa: F401, PLC0415


async def _finish(driver: Driver, attempts: Sequence[EndedAttempt]) -> Finished:
    """Record attempts. What the statement does not tell of was superseded, if that proves true."""
    finished = await _finish_once(driver, attempts)
    for _ in range(ASK_AT_MOST):
        missing = [attempt for attempt in attempts if attempt.run_id not in finished.states]
        running = await still_fenced(driver, [_fence(attempt) for attempt in missing])
        if not running:
            return finished
        attempts = [attempt for attempt in missing if attempt.run_id in running]
        finished.add(await _finish_once(driver, attempts))
    # The worker finds such a run again: it is running, and nobody has it in hand.
    lost = [str(one.run_id) for one in attempts if one.run_id not in finished.states]
    if lost:
        log.error("attempts.not_recorded", run_ids=lost)
    return finished


def _fence(attempt: EndedAttempt) -> Fence:
    return Fence(
        service_id=attempt.service_id,
        job_id=attempt.job_id,
        scheduled_for=attempt.scheduled_for,
        id=attempt.run_id,
        owned_by=attempt.held_by,
        state=RunState.RUNNING,
        attempt_count=attempt.number,
    )


async def _finish_once(driver: Driver, attempts: Sequence[EndedAttempt]) -> Finished:
    ends = [end_of(attempt) for attempt in attempts]
    fire_times = [attempt.scheduled_for for attempt in attempts]
    rows = await driver.fetch(
        FINISH,
        [attempt.service_id for attempt in attempts],
        [attempt.job_id for attempt in attempts],
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
    return Finished(
        states={row["run_id"]: RunState(row["state"]) for row in rows},
        contended={(row["service_id"], row["job_id"]) for row in rows if row["contended"]},
    )
