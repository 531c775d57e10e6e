"""Due runs that no worker has taken, and whether workers are behind."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from storage.postgres.heartbeats import LAPSE
from storage.postgres.pools import Driver
from storage.queue.broker import RunKey
from storage.sql import statement

_UNTAKEN = statement("rescue/untaken", lapse=LAPSE)
_ARE_MANY_LATE = statement("rescue/are_many_late")


async def untaken_runs(
    driver: Driver, process_id: UUID, due_before: datetime, most: int, *, behind: bool
) -> list[RunKey]:
    """Runs due by then that no worker has taken, the oldest first.

    Args:
        process_id: The dispatcher that asks.
        behind: Whether those that another dispatcher which beats keeps in hand are left out.
    """
    rows = await _UNTAKEN.fetch(
        driver, process_id=process_id, due_before=due_before, most=most, behind=behind
    )
    return [(row["service_id"], row["id"]) for row in rows]


async def are_many_late(driver: Driver, due_before: datetime, many: int) -> bool:
    """Whether workers have so many runs in hand that were due by then and have not begun."""
    late: bool = await _ARE_MANY_LATE.fetchval(driver, due_before=due_before, many=many)
    return late
