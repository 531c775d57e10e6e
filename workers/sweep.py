"""What was lost on the way is found again: runs of dead processes, and runs without a message."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from cachetools import TTLCache
from prometheus_client import Counter

from commands.pass_turns import pass_free_turns
from commands.rescue_runs import RescueRuns, rescue_runs
from storage.queue import RunKey
from storage.shards import Shard
from workers.heartbeat import LAPSE, Heartbeat

log = structlog.get_logger()
SWEPT = Counter("tocsin_swept_runs_total", "Runs found lost and handed over again.", ["why"])
GRACE = timedelta(milliseconds=300)
"""A run so late that no worker has taken lost its message, if no message waits in the queue."""
BACKLOG_GRACE = timedelta(seconds=30)
"""The same while messages do wait, or workers are behind: most likely one is the run's own."""
RESEND_SECONDS = 5.0
RUNS_AT_ONCE = 5_000

_UNTAKEN = """
SELECT service_id, id
FROM runs
WHERE open AND state IN ('scheduled', 'retrying') AND retry_at IS NULL AND due_at < $1
    AND NOT buffered
ORDER BY due_at
LIMIT $2
"""

_BEHIND = "SELECT EXISTS (SELECT FROM runs WHERE open AND state = 'queued' AND due_at < $1)"


class Sweep:
    """Finds lost runs of a shard and hands them over again; harmless when done twice at once."""

    def __init__(self, shard: Shard, heartbeat: Heartbeat) -> None:
        self._shard = shard
        self._heartbeat = heartbeat
        self._resent: TTLCache[RunKey, None] = TTLCache(maxsize=100_000, ttl=RESEND_SECONDS)

    async def rescue(self, now: datetime) -> int:
        """Free the runs of processes whose heartbeat lapsed, and return how many waited there."""
        if not self._heartbeat.may_judge(now):
            return 0
        command = RescueRuns(now=now, lapsed_before=now - LAPSE)
        freed = await rescue_runs(command, self._shard)
        await self._hand_over(freed, "rescued")
        return len(freed)

    async def pass_turns(self, _: datetime) -> int:
        """Hand over runs whose turn has come, and return how many there were."""
        runs = await pass_free_turns(self._shard.database, RUNS_AT_ONCE)
        await self._shard.queue.hand_over(runs)
        return len(runs)

    async def resend(self, now: datetime) -> int:
        """Hand over due runs that no worker has taken, and return how many there were."""
        behind = await self._shard.queue.depth() or await self._is_behind(now)
        untaken = await self._untaken(now - (BACKLOG_GRACE if behind else GRACE))
        lost = [run for run in untaken if run not in self._resent]
        await self._hand_over(lost, "resent")
        self._resent.update(dict.fromkeys(lost))
        return len(lost)

    async def _is_behind(self, now: datetime) -> bool:
        """Whether workers have more than they can ring: then messages wait in their hands too."""
        async with self._shard.database.driver() as driver:
            return bool(await driver.fetchval(_BEHIND, now - GRACE))

    async def _untaken(self, due_before: datetime) -> list[RunKey]:
        async with self._shard.database.driver() as driver:
            rows = await driver.fetch(_UNTAKEN, due_before, RUNS_AT_ONCE)
        return [(row["service_id"], row["id"]) for row in rows]

    async def _hand_over(self, runs: Sequence[RunKey], why: str) -> None:
        if runs:
            log.info("runs.swept", why=why, count=len(runs))
            SWEPT.labels(why).inc(len(runs))
            await self._shard.queue.hand_over(runs)
