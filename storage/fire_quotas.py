"""How many runs of each service's schedules ring in each minute, against what it may have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from domain.limits import Limits
from storage.postgres import Driver

UNCOUNTED = 20
"""Fewer runs of a service in one claim are not counted, unless it has a limit of its own: claims
are so many a minute that such do not come near the usual limit."""

Minute = tuple[UUID, datetime]

_OWN_LIMITS = """
SELECT id, (limits->>'fires_per_minute')::int AS most FROM services
WHERE limits->>'fires_per_minute' IS NOT NULL AND id = ANY ($1::uuid[])
"""

# In one order, so that two dispatchers cannot wait for each other.
_COUNT = """
INSERT INTO fire_counts (service_id, minute, count)
SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::int[]) AS wanted (service_id, minute, count)
ORDER BY service_id, minute
ON CONFLICT (service_id, minute) DO UPDATE SET count = fire_counts.count + excluded.count
RETURNING service_id, minute, count
"""


async def beyond_quota(driver: Driver, wanted: Counter[Minute]) -> dict[Minute, int]:
    """Count runs, within the claim's transaction, and tell how many of them are too many.

    Args:
        wanted: Runs by service and minute.
    """
    own = await driver.fetch(_OWN_LIMITS, list({service_id for service_id, _ in wanted}))
    most: Mapping[UUID, int] = {row["id"]: row["most"] for row in own}
    counted = [
        (service_id, minute, count)
        for (service_id, minute), count in wanted.items()
        if count >= UNCOUNTED or service_id in most
    ]
    if not counted:
        return {}
    rows = await driver.fetch(_COUNT, *map(list, zip(*counted, strict=True)))
    usual = Limits().fires_per_minute
    beyond = {
        (row["service_id"], row["minute"]): row["count"] - most.get(row["service_id"], usual)
        for row in rows
    }
    return {key: min(too_many, wanted[key]) for key, too_many in beyond.items() if too_many > 0}


async def forget_fire_counts(driver: Driver, before: datetime) -> None:
    """Forget the minutes before an instant."""
    await driver.execute("DELETE FROM fire_counts WHERE minute < $1", before)
