"""Records ended attempts in batches: while one batch is written, the next one gathers."""

from __future__ import annotations

import asyncio
import random
from collections import Counter as Counts
from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

import msgspec
import structlog
from prometheus_client import Counter

from commands.firing.finish_attempts import (
    EndedAttempt,
    Finished,
    finish_attempts,
    reason_to_pause,
)
from commands.firing.take_runs import TakenRun
from domain.runs.run import RunState
from storage.error_kinds import kind_of
from storage.postgres.pools import UNREACHABLE
from storage.shards import Shard
from storage.shares import ShareUsedUp
from workers.housekeeping.aggregation import AggregationRequests
from workers.targets.answer import Answer
from workers.worker.config import DEFAULTS, WorkerConfig
from workers.worker.overlap import OverlapResolver

log = structlog.get_logger()
RUNS = Counter("tocsin_runs_total", "Runs that ended, by their final state.", ["state"])
ATTEMPTS = Counter("tocsin_attempts_total", "Attempts by how they ended.", ["outcome"])


class Recorder:
    """The last step of a run in a worker process.

    Its buffer is bounded, since an attempt keeps its concurrency slot until it is recorded.

    Args:
        overlap: Passes on the overlap locks of jobs whose run has ended.
        aggregation: Has ended runs counted in the statistics.
    """

    def __init__(
        self,
        shard: Shard,
        *,
        overlap: OverlapResolver | None = None,
        aggregation: AggregationRequests | None = None,
        config: WorkerConfig = DEFAULTS,
    ) -> None:
        self._shard = shard
        self._overlap = overlap
        self._aggregation = aggregation
        self._config = config
        self._ended: asyncio.Queue[tuple[EndedAttempt, asyncio.Future[None]]] = asyncio.Queue()

    async def record(self, attempt: EndedAttempt) -> None:
        """Return when Postgres has recorded the attempt."""
        recorded: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ended.put_nowait((attempt, recorded))
        await recorded

    async def run(self) -> None:
        """Record until cancelled; while Postgres is away, keep trying."""
        while True:
            batch = [await self._ended.get()]
            await asyncio.sleep(self._config.record_gather_seconds)
            while len(batch) < self._config.record_batch and not self._ended.empty():
                batch.append(self._ended.get_nowait())
            finished = await self._write([attempt for attempt, _ in batch])
            for _, recorded in batch:
                if not recorded.done():
                    recorded.set_result(None)
            if self._aggregation is not None and any(
                state is not RunState.RETRYING for state in finished.states.values()
            ):
                self._aggregation.runs_ended()
            if self._overlap is not None:
                self._overlap.pass_locks_soon(finished.contended)

    async def _write(self, attempts: list[EndedAttempt]) -> Finished:
        finished = await self._finish(attempts)
        recorded = [attempt for attempt in attempts if attempt.run_id in finished.states]
        for attempt in attempts if len(recorded) < len(attempts) else ():
            if attempt.run_id not in finished.states:
                # The run was rescued meanwhile: another worker owns it now.
                log.warning("attempt.superseded", run_id=str(attempt.run_id), number=attempt.number)
        _count(recorded, finished.states.values())
        return finished

    async def _finish(self, attempts: list[EndedAttempt]) -> Finished:
        finished = Finished(states={}, contended=set())
        for part in _parts(attempts):
            finished.add(await self._finish_part(part))
        return finished

    async def _finish_part(self, attempts: Sequence[EndedAttempt]) -> Finished:
        try:
            return await self._when_reachable(attempts)
        except Exception:
            log.exception("recorder.refused", attempts=len(attempts))
        # An attempt that can never be written must not hold up the others, nor end the process.
        finished = Finished(states={}, contended=set())
        for attempt in attempts:
            finished.add(await self._finish_alone(attempt))
        return finished

    async def _finish_alone(self, attempt: EndedAttempt) -> Finished:
        for version in (attempt, _without_texts(attempt)):
            try:
                return await self._when_reachable([version])
            except Exception as error:  # noqa: BLE001 (its traceback is logged already)
                run_id = str(attempt.run_id)
                log.error("recorder.attempt_refused", run_id=run_id, error=kind_of(error))
        return Finished(states={}, contended=set())

    async def _when_reachable(self, attempts: Sequence[EndedAttempt]) -> Finished:
        while True:
            try:
                return await finish_attempts(attempts, self._shard)
            except (ShareUsedUp, *UNREACHABLE) as error:
                if isinstance(error, ValueError):  # the driver cannot encode it
                    raise
                log.warning("recorder.write_failed", error=kind_of(error))
                await asyncio.sleep(self._config.retry_seconds)


def _parts(attempts: Sequence[EndedAttempt]) -> list[list[EndedAttempt]]:
    """Attempts to write in one transaction each; one that pauses its job gets its own."""
    plain = [attempt for attempt in attempts if reason_to_pause(attempt) is None]
    pausing = [[attempt] for attempt in attempts if reason_to_pause(attempt) is not None]
    return [plain, *pausing] if plain else pausing


def _without_texts(attempt: EndedAttempt) -> EndedAttempt:
    error = attempt.error and "What the target answered cannot be stored as text."
    return msgspec.structs.replace(attempt, error=error, response_excerpt=None)


def _count(attempts: Iterable[EndedAttempt], states: Iterable[RunState]) -> None:
    for outcome, count in Counts(attempt.outcome for attempt in attempts).items():
        ATTEMPTS.labels(outcome).inc(count)
    for state, count in Counts(states).items():
        if state is not RunState.RETRYING:
            RUNS.labels(state).inc(count)


def ended_attempt(
    run: TakenRun, worker_id: UUID, started_at: datetime, finished_at: datetime, answer: Answer
) -> EndedAttempt:
    """What is recorded of an attempt."""
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
