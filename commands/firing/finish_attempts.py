"""Record how attempts ended, and with them their runs, or when the next attempt is due."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from msgspec import Struct

from domain.access.caller import Caller
from domain.errors import NotFound
from domain.policies.retry import RetryPolicy
from domain.runs.run import Outcome, RunState
from storage.cache.job_cache_entry import cache_entry_of
from storage.cache.shared_cache import CacheChanges
from storage.postgres.pools import Driver
from storage.runs.fences import Fence, Moved, move_all
from storage.services.audit import record
from storage.shards import Shard
from storage.sql import statement

log = structlog.get_logger()
# An abandoned attempt is no answer of the target: it does not end a run, unless it keeps happening.
MAX_ABANDONED_BEYOND = 5
GONE = 410

FINISH = statement("attempts/finish")


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
    contended: Jobs (`service_id` and `id`) of which other runs wait for the overlap lock.
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
    from commands.jobs.pause_job import pause  # noqa: PLC0415
    from storage.jobs.changes import lock_job  # noqa: PLC0415

    try:
        cached = CacheChanges(invalidates=False)
        async with shard.writing(attempt.service_id, cached) as driver:
            row = await lock_job(driver, attempt.service_id, attempt.job_id)
            finished = await _finish(driver, [attempt])
            failed = finished.states.get(attempt.run_id) is RunState.FAILED
            if failed and not row["paused"]:
                job = await pause(driver, row, attempt.finished_at, reason)
                cached.entries.append(cache_entry_of(job, attempt.finished_at))
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
    import commands.jobs.pause_job  # noqa: F401, PLC0415


async def _finish(driver: Driver, attempts: Sequence[EndedAttempt]) -> Finished:
    """Record attempts. One that the statement does not return was superseded; that is checked."""
    finished = Finished(states={}, contended=set())

    async def finish(attempts: Sequence[EndedAttempt]) -> Moved:
        once = await _finish_once(driver, attempts)
        finished.add(once)
        return once.states

    lost = await move_all(driver, attempts, finish, _fence)
    if lost:
        # The worker finds such a run again: it is running, and nobody has it in hand.
        log.error("attempts.not_recorded", run_ids=[str(attempt.run_id) for attempt in lost])
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
    rows = await FINISH.fetch(
        driver,
        service_ids=[attempt.service_id for attempt in attempts],
        job_ids=[attempt.job_id for attempt in attempts],
        run_ids=[attempt.run_id for attempt in attempts],
        fire_times=fire_times,
        owners=[attempt.held_by for attempt in attempts],
        numbers=[attempt.number for attempt in attempts],
        started_at=[attempt.started_at for attempt in attempts],
        finished_at=[attempt.finished_at for attempt in attempts],
        outcomes=[attempt.outcome for attempt in attempts],
        status_codes=[attempt.status_code for attempt in attempts],
        errors=[attempt.error for attempt in attempts],
        response_excerpts=[attempt.response_excerpt for attempt in attempts],
        states=[state for state, _ in ends],
        retry_at=[retry_at for _, retry_at in ends],
        first=min(fire_times),
        last=max(fire_times),
    )
    return Finished(
        states={row["run_id"]: RunState(row["state"]) for row in rows},
        contended={(row["service_id"], row["job_id"]) for row in rows if row["contended"]},
    )
