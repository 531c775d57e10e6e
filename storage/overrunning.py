"""How many runs ring for longer than their target's time-out lets an attempt take."""

from __future__ import annotations

from datetime import datetime, timedelta

from storage.oldest_due import LOOKED_AT
from storage.postgres import Driver

MARGIN = timedelta(seconds=30)
"""For an end to be recorded, or a dead worker's runs to be rescued."""

# The target of a job that was deleted meanwhile is not known: the longest time-out is taken.
OVERRUNNING = f"""
SELECT count(*)
FROM (
    SELECT service_id, job_id, state, attempt_started_at FROM runs
    WHERE open AND due_at <= $1 ORDER BY due_at LIMIT {LOOKED_AT}
) AS oldest
LEFT JOIN jobs ON jobs.service_id = oldest.service_id AND jobs.id = oldest.job_id
WHERE oldest.state = 'running' AND oldest.attempt_started_at <= $1
    AND oldest.attempt_started_at
        <= $1 - coalesce((jobs.target->>'timeout')::interval, interval '30 minutes')
"""


async def overrunning(driver: Driver, now: datetime) -> int:
    """Of the oldest runs that are open, those that ring beyond their time-out and a margin."""
    count: int = await driver.fetchval(OVERRUNNING, now - MARGIN)
    return count
