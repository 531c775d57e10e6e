"""Records ended attempts in batches: while one batch is written, the next one gathers."""

from __future__ import annotations

import asyncio
from collections import Counter as Counts
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from itertools import islice
from uuid import UUID

import msgspec
import structlog
from prometheus_client import Counter

from commands.finish_attempts import (
    EndedAttempt,
    Finished,
    finish_attempts,
    reason_to_pause,
)
from domain.run import RunState
from storage.error_kinds import kind_of
from storage.postgres import UNREACHABLE
from storage.shards import Shard
from storage.shares import ShareUsedUp

log = structlog.get_logger()
RUNS = Counter("tocsin_runs_total", "Runs that ended, by their final state.", ["state"])
ATTEMPTS = Counter("tocsin_attempts_total", "Attempts by how they ended.", ["outcome"])
BATCH_SIZE = 500
GATHER_SECONDS = 0.01
"""What ends within so long is written in one statement."""
RETRY_SECONDS = 0.1
CONTENDED_AT_ONCE = 10_000
"""Jobs whose turn is to be passed on; of more, the sweep takes care."""

OnContended = Callable[[Collection[tuple[UUID, UUID]]], Awaitable[None]]


class Recorder:
    """Its buffer is bounded by the ringer's concurrency: an attempt counts until it is recorded.

    Args:
        on_contended: Told of jobs whose runs wait for their turn, which may have come; a sweep
            finds them a moment later, too.
        on_ended: Told when runs have ended.
    """

    def __init__(
        self,
        shard: Shard,
        on_contended: OnContended | None = None,
        on_ended: Callable[[], None] = lambda: None,
    ) -> None:
        self._shard = shard
        self._on_contended = on_contended
        self._on_ended = on_ended
        self._ended: asyncio.Queue[tuple[EndedAttempt, asyncio.Future[None]]] = asyncio.Queue()
        self._contended: set[tuple[UUID, UUID]] = set()
        self._telling: asyncio.Task[None] | None = None

    async def record(self, attempt: EndedAttempt) -> None:
        """Return when Postgres has the attempt."""
        recorded: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ended.put_nowait((attempt, recorded))
        await recorded

    async def run(self) -> None:
        """Write until cancelled; while Postgres is away, try again and again."""
        while True:
            batch = [await self._ended.get()]
            await asyncio.sleep(GATHER_SECONDS)
            while len(batch) < BATCH_SIZE and not self._ended.empty():
                batch.append(self._ended.get_nowait())
            finished = await self._write([attempt for attempt, _ in batch])
            for _, recorded in batch:
                if not recorded.done():
                    recorded.set_result(None)
            if any(state is not RunState.RETRYING for state in finished.states.values()):
                self._on_ended()
            self._tell_of(finished.contended)

    def _tell_of(self, contended: Collection[tuple[UUID, UUID]]) -> None:
        if self._on_contended is None:
            return
        # Beside the writing: where Redis hangs, what ended is recorded all the same.
        room = CONTENDED_AT_ONCE - len(self._contended)
        self._contended.update(islice(contended, max(room, 0)))
        if self._contended and (self._telling is None or self._telling.done()):
            self._telling = asyncio.create_task(self._keep_telling())

    async def _keep_telling(self) -> None:
        while self._contended and self._on_contended is not None:
            jobs, self._contended = self._contended, set()
            try:
                await self._on_contended(jobs)
            except Exception:  # a sweep passes their turns on
                log.exception("recorder.turns_not_passed", jobs=len(jobs))

    async def _write(self, attempts: list[EndedAttempt]) -> Finished:
        finished = await self._finish(attempts)
        recorded = [attempt for attempt in attempts if attempt.run_id in finished.states]
        for attempt in attempts if len(recorded) < len(attempts) else ():
            if attempt.run_id not in finished.states:
                # Rescued meanwhile: the attempt belongs to somebody else's story now.
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
        # One that can never be written must not hold up the others, nor end the process.
        finished = Finished(states={}, contended=set())
        for attempt in attempts:
            finished.add(await self._finish_alone(attempt))
        return finished

    async def _finish_alone(self, attempt: EndedAttempt) -> Finished:
        for version in (attempt, _without_texts(attempt)):
            try:
                return await self._when_reachable([version])
            except Exception as error:  # noqa: BLE001 (told of with its traceback already)
                run_id = str(attempt.run_id)
                log.error("recorder.attempt_refused", run_id=run_id, error=kind_of(error))
        return Finished(states={}, contended=set())

    async def _when_reachable(self, attempts: Sequence[EndedAttempt]) -> Finished:
        while True:
            try:
                return await finish_attempts(attempts, self._shard)
            except (ShareUsedUp, *UNREACHABLE) as error:
                if isinstance(error, ValueError):  # the driver's word for what it cannot encode
                    raise
                log.warning("recorder.write_failed", error=kind_of(error))
                await asyncio.sleep(RETRY_SECONDS)


def _parts(attempts: Sequence[EndedAttempt]) -> list[list[EndedAttempt]]:
    """What is written in one transaction; each that pauses its job has one of its own."""
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
