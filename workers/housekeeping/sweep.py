"""Finds lost runs: those of dead processes, and those whose message was lost."""

from __future__ import annotations

from collections.abc import Container, Sequence, Sized
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

import structlog
from cachetools import TTLCache
from prometheus_client import Counter

from commands.firing.overlap.pass_overlap_lock import pass_free_overlap_locks
from commands.firing.rescue_runs import RescueRuns, rescue_runs
from storage.queue.broker import MAX_DEPTH, RunKey
from storage.runs.untaken_runs import are_many_late, untaken_runs
from storage.shards import Shard
from workers.heartbeat import Heartbeat

log = structlog.get_logger()
SWEPT = Counter(
    "tocsin_swept_runs_total", "Lost runs that were found and dispatched again.", ["why"]
)
GRACE = timedelta(milliseconds=300)
"""A run that no worker took 0.3 s after it was due has lost its message, if no message waits."""
BACKLOG_GRACE = timedelta(seconds=30)
"""30 s while messages wait or workers are behind: one of those may be the run's own."""
RESEND_SECONDS = 5.0
RUNS_AT_ONCE = 5_000
MOST_MESSAGES = 10 * MAX_DEPTH
"""While more messages wait, nothing is dispatched again: runs behind them are late, not lost, and
Redis would fill with repeated messages."""
MANY_LATE = 250
"""Workers are behind if they own 250 late runs; fewer may wait for a target that is slowed."""


class InHand(Container[UUID], Sized, Protocol):
    """The ids of runs in a dispatcher's buffer."""


class Sweep:
    """Finds lost runs of a shard and dispatches them again; doing it twice at once does no harm.

    Args:
        in_hand: Runs that this process itself will dispatch.
        many_late: Late runs in workers' hands that show that workers are behind.
        most_messages: Nothing is dispatched again while more messages wait.

    Attributes:
        unfinished: Messages waiting or in process at the last look.
    """

    def __init__(
        self,
        shard: Shard,
        heartbeat: Heartbeat,
        in_hand: InHand = frozenset(),
        *,
        many_late: int = MANY_LATE,
        most_messages: int = MOST_MESSAGES,
    ) -> None:
        self.unfinished = 0
        self._many_late = many_late
        self._most_messages = most_messages
        self._shard = shard
        self._heartbeat = heartbeat
        self._in_hand = in_hand
        self._resent: TTLCache[RunKey, None] = TTLCache(maxsize=100_000, ttl=RESEND_SECONDS)

    async def rescue(self, now: datetime) -> int:
        """Free the runs of processes whose heartbeat lapsed; return how many."""
        if not self._heartbeat.may_judge():
            return 0
        freed = await rescue_runs(RescueRuns(now=now), self._shard)
        await self._dispatch(freed, "rescued")
        return len(freed)

    async def pass_overlap_locks(self, _: datetime) -> int:
        """Dispatch runs that got their job's overlap lock; return how many."""
        runs = await pass_free_overlap_locks(self._shard.database, RUNS_AT_ONCE)
        await self._shard.queue.dispatch(runs)
        return len(runs)

    async def resend(self, now: datetime) -> int:
        """Dispatch due runs again that no worker has taken; return how many."""
        self.unfinished = await self._shard.queue.unfinished()
        depth = await self._shard.queue.depth()
        if depth > self._most_messages:
            return 0
        behind = depth > 0 or await self._is_behind(now)
        untaken = await self._untaken(now, behind=behind)
        lost = [run for run in untaken if run not in self._resent and run[1] not in self._in_hand]
        await self._dispatch(lost, "resent")
        self._resent.update(dict.fromkeys(lost))
        return len(lost)

    async def _is_behind(self, now: datetime) -> bool:
        """Whether workers own more late runs than they can ring: then messages wait there, too."""
        async with self._shard.database.driver() as driver:
            return await are_many_late(driver, now - GRACE, self._many_late)

    async def _untaken(self, now: datetime, *, behind: bool) -> list[RunKey]:
        async with self._shard.database.driver() as driver:
            return await untaken_runs(
                driver,
                self._heartbeat.process_id,
                now - (BACKLOG_GRACE if behind else GRACE),
                RUNS_AT_ONCE + len(self._in_hand),
                behind=behind,
            )

    async def _dispatch(self, runs: Sequence[RunKey], why: str) -> None:
        if runs:
            log.info("runs.swept", why=why, count=len(runs))
            SWEPT.labels(why).inc(len(runs))
            await self._shard.queue.dispatch(runs)
