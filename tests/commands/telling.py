"""What the fire ledger tells of a job."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from queries.jobs.get_ledger import GetLedger, LedgerRow, get_ledger
from tests.commands.firing import NOON, Firing

LONG_AGO, FAR_AWAY = NOON - timedelta(days=30), NOON + timedelta(days=30)


async def ledger(
    firing: Firing,
    job_id: UUID,
    now: datetime,
    *,
    start: datetime = LONG_AGO,
    end: datetime = FAR_AWAY,
    after: datetime | None = None,
    limit: int = 10_000,
) -> list[LedgerRow]:
    """A page of the ledger, read from a server that has all that was written."""
    async with firing.shard.writing(firing.caller.service_id):
        pass  # workers and dispatchers do not remember their commits for a service: this does
    query = GetLedger(
        caller=firing.caller,
        job_id=job_id,
        start=start,
        end=end,
        after=after,
        limit=limit,
        now=now,
    )
    return await get_ledger(query, firing.shards)


async def told(
    firing: Firing, job_id: UUID, now: datetime, *, unit: float = 60
) -> list[tuple[float, float, str]]:
    """Each entry's first and last fire time, in minutes since noon, and its outcome."""

    def since_noon(instant: datetime) -> float:
        return (instant - NOON).total_seconds() / unit

    return [
        (since_noon(one.scheduled_for), since_noon(one.until or one.scheduled_for), one.outcome)
        for one in await ledger(firing, job_id, now)
    ]
