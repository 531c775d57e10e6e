"""What was lost on the way is found again: runs of dead processes, and runs without a message."""

from __future__ import annotations

from collections.abc import Container, Sequence, Sized
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

import structlog
from cachetools import TTLCache
from prometheus_client import Counter

from commands.pass_turns import pass_free_turns
from commands.rescue_runs import RescueRuns, rescue_runs
from storage.heartbeats import BEATS
from storage.queue import MAX_DEPTH, RunKey
from storage.shards import Shard
from workers.heartbeat import Heartbeat

log = structlog.get_logger()
SWEPT = Counter("tocsin_swept_runs_total", "Runs found lost and handed over again.", ["why"])
GRACE = timedelta(milliseconds=300)
"""A run so late that no worker has taken lost its message, if no message waits in the queue."""
BACKLOG_GRACE = timedelta(seconds=30)
"""The same while messages do wait, or workers are behind: most likely one is the run's own."""
RESEND_SECONDS = 5.0
RUNS_AT_ONCE = 5_000
MOST_MESSAGES = 10 * MAX_DEPTH
"""While more wait, nothing is handed over again: what is behind them is late, not lost, and Redis
would fill with messages that say the same."""

# While workers are behind, dispatchers keep runs in hand that are long due: those are not lost.
# Each dispatcher knows its own, and of another whether it lives.
_UNTAKEN = f"""
SELECT service_id, id
FROM runs
WHERE open AND state IN ('scheduled', 'retrying') AND retry_at IS NULL AND due_at < $1
    AND NOT buffered
    AND (NOT $3::boolean OR held_by IS NULL OR held_by = $4
        OR NOT EXISTS (SELECT FROM workers WHERE workers.id = held_by AND {BEATS}))
ORDER BY due_at
LIMIT $2
"""

# A few late runs in workers' hands say nothing: they may wait for a target that is slowed.
MANY_LATE = 250
_BEHIND = """
SELECT count(*) >= $2 FROM (
    SELECT FROM runs WHERE open AND state = 'queued' AND due_at < $1 LIMIT $2
) AS late
"""


class InHand(Container[UUID], Sized, Protocol):
    """The ids of runs that a process holds."""


class Sweep:
    """Finds lost runs of a shard and hands them over again; harmless when done twice at once.

    Args:
        in_hand: What this process itself will hand over.

    Attributes:
        unfinished: Messages that workers had not dealt with when it looked last.
    """

    def __init__(self, shard: Shard, heartbeat: Heartbeat, in_hand: InHand = frozenset()) -> None:
        self.unfinished = 0
        self._shard = shard
        self._heartbeat = heartbeat
        self._in_hand = in_hand
        self._resent: TTLCache[RunKey, None] = TTLCache(maxsize=100_000, ttl=RESEND_SECONDS)

    async def rescue(self, now: datetime) -> int:
        """Free the runs of processes whose heartbeat lapsed, and return how many waited there."""
        if not self._heartbeat.may_judge():
            return 0
        freed = await rescue_runs(RescueRuns(now=now), self._shard)
        await self._hand_over(freed, "rescued")
        return len(freed)

    async def pass_turns(self, _: datetime) -> int:
        """Hand over runs whose turn has come, and return how many there were."""
        runs = await pass_free_turns(self._shard.database, RUNS_AT_ONCE)
        await self._shard.queue.hand_over(runs)
        return len(runs)

    async def resend(self, now: datetime) -> int:
        """Hand over due runs that no worker has taken, and return how many there were."""
        self.unfinished = await self._shard.queue.unfinished()
        depth = await self._shard.queue.depth()
        if depth > MOST_MESSAGES:
            return 0
        behind = depth > 0 or await self._is_behind(now)
        untaken = await self._untaken(now, behind=behind)
        lost = [run for run in untaken if run not in self._resent and run[1] not in self._in_hand]
        await self._hand_over(lost, "resent")
        self._resent.update(dict.fromkeys(lost))
        return len(lost)

    async def _is_behind(self, now: datetime) -> bool:
        """Whether workers have more than they can ring: then messages wait in their hands too."""
        async with self._shard.database.driver() as driver:
            return bool(await driver.fetchval(_BEHIND, now - GRACE, MANY_LATE))

    async def _untaken(self, now: datetime, *, behind: bool) -> list[RunKey]:
        async with self._shard.database.driver() as driver:
            rows = await driver.fetch(
                _UNTAKEN,
                now - (BACKLOG_GRACE if behind else GRACE),
                RUNS_AT_ONCE + len(self._in_hand),
                behind,
                self._heartbeat.process_id,
            )
        return [(row["service_id"], row["id"]) for row in rows]

    async def _hand_over(self, runs: Sequence[RunKey], why: str) -> None:
        if runs:
            log.info("runs.swept", why=why, count=len(runs))
            SWEPT.labels(why).inc(len(runs))
            await self._shard.queue.hand_over(runs)
