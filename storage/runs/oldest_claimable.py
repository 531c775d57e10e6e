"""The oldest of what is due and still waits, each found at the start of an index."""

from __future__ import annotations

from datetime import datetime

from storage.postgres.pools import Driver
from storage.sql import statement

LOOKED_AT = 5_000
"""How many open, due runs are looked at: some ring or wait for the overlap lock."""

UNCLAIMED = statement("rescue/oldest_unclaimed")
UNTAKEN = statement("rescue/oldest_untaken", looked_at=LOOKED_AT)


async def oldest_unclaimed(driver: Driver, now: datetime) -> datetime | None:
    """Since when the oldest fire time or retry is due that no dispatcher has claimed."""
    found: datetime | None = await UNCLAIMED.fetchval(driver, now=now)
    return found


async def oldest_untaken(driver: Driver, now: datetime) -> datetime | None:
    """Since when the oldest claimed run is due that no worker has taken."""
    found: datetime | None = await UNTAKEN.fetchval(driver, now=now)
    return found
