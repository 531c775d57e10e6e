"""How many runs ring for longer than their target's time-out lets an attempt take."""

from __future__ import annotations

from datetime import datetime, timedelta

from storage.postgres.pools import Driver
from storage.runs.oldest_claimable import LOOKED_AT
from storage.sql import statement

MARGIN = timedelta(seconds=30)
"""For an end to be recorded, or a dead worker's runs to be rescued."""

OVERRUNNING = statement("rescue/overrunning", looked_at=LOOKED_AT)


async def overrunning(driver: Driver, now: datetime) -> int:
    """Of the oldest runs that are open, those that ring beyond their time-out and a margin."""
    count: int = await OVERRUNNING.fetchval(driver, before=now - MARGIN)
    return count
