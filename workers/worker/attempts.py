"""Attempts under way in a worker process: rung, cut off where that is wanted, and recorded."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import cast
from uuid import UUID

import structlog
from prometheus_client import Gauge, Histogram

from commands.finish_attempts import EndedAttempt
from commands.take_runs import TakenRun
from domain.run import Outcome
from workers.targets.answer import Answer
from workers.worker.recorder import Recorder

log = structlog.get_logger()
LATENESS = Histogram(
    "tocsin_lateness_seconds",
    "Start of a run's first attempt minus the instant it was due, and its wait for its turn.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
OVERLAP_WAIT = Histogram(
    "tocsin_overlap_wait_seconds",
    "How long runs waited because of their overlap policy, of those that did.",
    buckets=(0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3_600, 14_400, 86_400),
)
RINGING = Gauge("tocsin_ringer_ringing_runs", "Attempts under way.", multiprocess_mode="livesum")

LONGEST_WAIT_SECONDS = 0.1
"""Attempts are begun a few milliseconds before they ring."""

_CUT_OFF = Answer(outcome=Outcome.ABANDONED, error="The run was asked to end.")

Ring = Callable[[TakenRun, datetime], Awaitable[Answer]]
OnEnd = Callable[[TakenRun, datetime, Answer], None]


class Attempts:
    """Rings targets, each attempt a task until Postgres has it.

    Args:
        ring: Makes one attempt.
        on_end: Told of each when it is recorded, with when it began.
    """

    def __init__(self, worker_id: UUID, ring: Ring, recorder: Recorder, on_end: OnEnd) -> None:
        self._worker_id = worker_id
        self._ring = ring
        self._recorder = recorder
        self._on_end = on_end
        self._ringing: set[asyncio.Task[None]] = set()
        self._abortable: dict[UUID, asyncio.Task[None]] = {}
        self._aborted: set[UUID] = set()

    def begin(self, run: TakenRun, answer: Answer | None = None) -> None:
        """Ring a run whose attempt Postgres knows to have begun.

        Args:
            answer: How it ended, if the target is not to be rung.
        """
        task = asyncio.create_task(self._attempt(run, answer))
        self._ringing.add(task)
        task.add_done_callback(self._ringing.discard)

    def show(self) -> None:
        """Tell the metrics how many there are."""
        RINGING.set(len(self._ringing))

    def abort(self, run_id: UUID) -> None:
        """Cut off a run's attempt, at once or as soon as it begins."""
        if run_id not in self._aborted:
            self._aborted.add(run_id)
            if (task := self._abortable.get(run_id)) is not None:
                task.cancel()

    def forget(self, run_id: UUID) -> None:
        """A run is not in hand any more."""
        self._aborted.discard(run_id)

    async def end(self) -> None:
        """Wait until all are recorded."""
        while self._ringing:
            await asyncio.wait(self._ringing)

    async def _attempt(self, run: TakenRun, answer: Answer | None) -> None:
        started_at = await _due(run)
        began = time.monotonic()
        if run.number == 1:
            LATENESS.observe(run.seconds_late(started_at))
            if run.overlap_wait:
                OVERLAP_WAIT.observe(run.overlap_wait)
        answer = answer or await self._answer(run, started_at)
        # Not what the wall clock shows: it may have been set meanwhile.
        finished_at = started_at + timedelta(seconds=time.monotonic() - began)
        await self._recorder.record(_ended(run, self._worker_id, started_at, finished_at, answer))
        self._on_end(run, started_at, answer)

    async def _answer(self, run: TakenRun, started_at: datetime) -> Answer:
        if run.id in self._aborted:
            return _CUT_OFF
        task = cast("asyncio.Task[None]", asyncio.current_task())
        # Here, and nowhere else, an attempt may be cut off.
        self._abortable[run.id] = task
        try:
            return await self._ring(run, started_at)
        except asyncio.CancelledError:
            if run.id not in self._aborted:
                raise
            task.uncancel()
            return _CUT_OFF
        except Exception:
            log.exception("ring.failed", run_id=str(run.id), number=run.number)
            return Answer(
                outcome=Outcome.FAILED, error="The request could not be made; this is logged."
            )
        finally:
            del self._abortable[run.id]


async def _due(run: TakenRun) -> datetime:
    """Wait until a run is due, and return when that is."""
    # Timers count whole milliseconds and may end a little early; a run never starts early. For a
    # clock that has been set back meanwhile, nobody waits.
    deadline = time.monotonic() + LONGEST_WAIT_SECONDS
    while (now := datetime.now(UTC)) < run.due_at and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(min((run.due_at - now).total_seconds(), LONGEST_WAIT_SECONDS))
    return now


def _ended(
    run: TakenRun, worker_id: UUID, started_at: datetime, finished_at: datetime, answer: Answer
) -> EndedAttempt:
    return EndedAttempt(
        service_id=run.service_id,
        job_id=run.job_id,
        run_id=run.id,
        scheduled_for=run.scheduled_for,
        held_by=worker_id,
        number=run.number,
        started_at=started_at,
        first_started_at=run.first_started_at,
        finished_at=finished_at,
        outcome=answer.outcome,
        retry=run.retry,
        draw=random.random(),  # noqa: S311
        retry_after=answer.retry_after,
        status_code=answer.status_code,
        error=answer.error,
        response_excerpt=answer.response_excerpt,
    )
