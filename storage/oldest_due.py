"""The oldest of what is due and still waits, each found at the start of an index."""

from __future__ import annotations

from datetime import datetime

from storage.postgres import Driver

LOOKED_AT = 5_000
"""Of runs that are open and due, those that ring or wait for their turn are passed over."""

UNCLAIMED = """
SELECT least(
    (SELECT next_claim_at FROM jobs WHERE next_claim_at <= $1 ORDER BY next_claim_at LIMIT 1),
    (SELECT retry_at FROM runs WHERE retry_at <= $1 ORDER BY retry_at LIMIT 1)
)
"""
# What a run has waited for its turn is none of it.
UNTAKEN = f"""
SELECT min(due_at + interval '1 ms'
    * CASE WHEN attempt_count = 0 THEN coalesce(overlap_wait_ms, 0) ELSE 0 END)
FROM (
    SELECT due_at, state, retry_at, buffered, attempt_count, overlap_wait_ms FROM runs
    WHERE open AND due_at <= $1 ORDER BY due_at LIMIT {LOOKED_AT}
) AS oldest
WHERE state IN ('scheduled', 'retrying') AND retry_at IS NULL AND NOT buffered
"""


async def oldest_unclaimed(driver: Driver, now: datetime) -> datetime | None:
    """Since when the oldest fire time or retry is due that no dispatcher has claimed."""
    found: datetime | None = await driver.fetchval(UNCLAIMED, now)
    return found


async def oldest_untaken(driver: Driver, now: datetime) -> datetime | None:
    """Since when the oldest claimed run is due that no worker has taken."""
    found: datetime | None = await driver.fetchval(UNTAKEN, now)
    return found
