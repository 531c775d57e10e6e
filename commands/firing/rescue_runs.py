"""Rescue runs whose worker process no longer beats."""

from __future__ import annotations

from datetime import datetime

import asyncpg
from msgspec import Struct
from msgspec.structs import replace

from commands.firing.finish_attempts import EndedAttempt, finish_attempts
from domain.policies.retry import RetryPolicy
from domain.runs.run import Outcome
from storage.jobs.rows import decode_retry
from storage.postgres.heartbeats import LAPSE
from storage.queue.broker import RunKey
from storage.runs.aborts import forget_lapsed
from storage.shards import Shard
from storage.sql import statement

RUNS_AT_ONCE = 1_000
_LOST_AGAIN = (
    "The worker that made this attempt stopped before it ended, as did the one before: the run is"
    " not tried again."
)

_FREE_QUEUED = statement("rescue/free_queued", lapse=LAPSE)
_LOST_ATTEMPTS = statement("rescue/lost_attempts", lapse=LAPSE)


class RescueRuns(Struct, frozen=True, kw_only=True):
    """Attributes:
    now: When the attempts that rang are said to have ended.
    """

    now: datetime


async def rescue_runs(command: RescueRuns, shard: Shard) -> list[RunKey]:
    """Free what only waited, end what rang as abandoned; harmless when done twice at once.

    Returns:
        Freed runs, ready to be dispatched. Abandoned ones come back as retries.
    """
    async with shard.database.driver() as driver:
        freed = await _FREE_QUEUED.fetch(driver, most=RUNS_AT_ONCE)
        ringing = list(await _LOST_ATTEMPTS.fetch(driver, most=RUNS_AT_ONCE))
        await forget_lapsed(driver)
    await finish_attempts([_lost(row, command.now) for row in ringing], shard)
    return [(row["service_id"], row["id"]) for row in freed]


def _lost(row: asyncpg.Record, now: datetime) -> EndedAttempt:
    attempt = abandoned(row, now)
    return replace(attempt, lost_again=True, error=_LOST_AGAIN) if row["lost_before"] else attempt


def abandoned(row: asyncpg.Record, now: datetime) -> EndedAttempt:
    """The attempt of a run that rang in a worker which does not know of it any more."""
    return EndedAttempt(
        service_id=row["service_id"],
        job_id=row["job_id"],
        run_id=row["id"],
        scheduled_for=row["scheduled_for"],
        held_by=row["held_by"],
        number=row["attempt_count"],
        started_at=row["attempt_started_at"],
        first_started_at=row["started_at"],
        # Two clocks may differ by what is allowed: no attempt ends before it began.
        finished_at=max(now, row["attempt_started_at"]),
        outcome=Outcome.ABANDONED,
        # A job deleted meanwhile has no policy: its run is cancelled when it is next taken.
        retry=decode_retry(row["retry"]) if row["retry"] else RetryPolicy(),
        draw=0.0,
        error="The worker that made this attempt stopped before it ended.",
    )
