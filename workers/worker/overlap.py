"""Applies overlap policies, and passes a job's overlap lock on to the next run."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from itertools import islice
from uuid import UUID

import structlog
from dramatiq import BrokerError
from redis.exceptions import RedisError

from commands.firing.overlap.pass_overlap_lock import pass_overlap_locks
from commands.firing.overlap.resolve_overlap import ResolveOverlap, resolve_overlap
from commands.firing.overlap.skip_blocked import SkipBlocked, skip_blocked
from commands.firing.take_runs import TakenRun
from storage.error_kinds import kind_of
from storage.postgres.clock_offset import read_clocks
from storage.postgres.pools import UNREACHABLE
from storage.shards import Shard
from workers.worker.config import DEFAULTS, WorkerConfig

log = structlog.get_logger()
CONTENDED_AT_ONCE = 10_000
"""Jobs whose locks wait to be passed on; a sweep passes those beyond."""

JobKey = tuple[UUID, UUID]
"""A job's `service_id` and `id`."""


class OverlapResolver:
    """Decides about runs that another run of their job keeps from beginning."""

    def __init__(self, shard: Shard, worker_id: UUID, config: WorkerConfig = DEFAULTS) -> None:
        self._shard = shard
        self._worker_id = worker_id
        self._resolving = asyncio.Semaphore(config.overlap_at_once)
        self._retry_seconds = config.overlap_retry_seconds
        self._contended: set[JobKey] = set()
        self._passing: asyncio.Task[None] | None = None

    async def skip(self, blocked: Sequence[TakenRun]) -> set[UUID]:
        """End those whose policy skips them, all at once, and return their ids."""
        if self._shard.database.clock.trouble(read_clocks()):
            return set()
        command = SkipBlocked(worker_id=self._worker_id, runs=blocked, now=datetime.now(UTC))
        try:
            return await skip_blocked(command, self._shard.database)
        except UNREACHABLE as error:
            log.warning("ringer.skip_failed", count=len(blocked), error=kind_of(error))
        except Exception:
            log.exception("ringer.skip_failed", count=len(blocked))
        return set()  # each is resolved alone

    async def resolve(self, run: TakenRun) -> bool:
        """Apply the run's overlap policy; return whether to begin its attempt again."""
        if self._shard.database.clock.trouble(read_clocks()):
            return True  # or it is given back to a worker whose clock is right
        try:
            async with self._resolving:
                now = datetime.now(UTC)
                command = ResolveOverlap(worker_id=self._worker_id, run=run, now=now)
                return await resolve_overlap(command, self._shard.database)
        except UNREACHABLE as error:
            log.warning("ringer.overlap_unresolved", run_id=str(run.id), error=kind_of(error))
        except Exception:
            log.exception("ringer.overlap_failed", run_id=str(run.id))
            await asyncio.sleep(self._retry_seconds)
        return True  # if it is still blocked, beginning it again finds that out

    def pass_locks_soon(self, contended: Collection[JobKey]) -> None:
        """Pass the locks of jobs on whose run has ended, in a task: recording must not wait."""
        room = CONTENDED_AT_ONCE - len(self._contended)
        self._contended.update(islice(contended, max(room, 0)))
        if self._contended and (self._passing is None or self._passing.done()):
            self._passing = asyncio.create_task(self._pass_locks())

    async def _pass_locks(self) -> None:
        while self._contended:
            jobs, self._contended = self._contended, set()
            try:
                runs = await pass_overlap_locks(self._shard.database, jobs)
                await self._shard.queue.dispatch(runs)
            except (*UNREACHABLE, RedisError, BrokerError) as error:
                log.warning("worker.turns_not_passed", error=kind_of(error))
            except Exception:  # a sweep passes these locks on
                log.exception("recorder.turns_not_passed", jobs=len(jobs))
