"""How many runs of each service's schedules ring in each minute, against what it may have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from domain.quotas.limits import Limits
from storage.postgres.pools import Driver
from storage.sql import statement

UNCOUNTED = 20
"""Fewer runs of a service in one claim are not counted, unless it has a limit of its own: claims
are so many a minute that such do not come near the usual limit."""

Minute = tuple[UUID, datetime]

_OWN_LIMITS = statement("quotas/own_fire_limits")
_COUNT = statement("quotas/count_fires")


async def beyond_quota(driver: Driver, wanted: Counter[Minute]) -> dict[Minute, int]:
    """Count runs, within the claim's transaction, and tell how many of them are too many.

    Args:
        wanted: Runs by service and minute.
    """
    services = list({service_id for service_id, _ in wanted})
    own = await _OWN_LIMITS.fetch(driver, service_ids=services)
    most: Mapping[UUID, int] = {row["id"]: row["most"] for row in own}
    counted = [
        (service_id, minute, count)
        for (service_id, minute), count in wanted.items()
        if count >= UNCOUNTED or service_id in most
    ]
    if not counted:
        return {}
    rows = await _COUNT.fetch(
        driver,
        service_ids=[service_id for service_id, _, _ in counted],
        minutes=[minute for _, minute, _ in counted],
        counts=[count for _, _, count in counted],
    )
    usual = Limits().fires_per_minute
    beyond = {
        (row["service_id"], row["minute"]): row["count"] - most.get(row["service_id"], usual)
        for row in rows
    }
    return {key: min(too_many, wanted[key]) for key, too_many in beyond.items() if too_many > 0}


async def forget_fire_counts(driver: Driver, before: datetime) -> None:
    """Forget the minutes before an instant."""
    await driver.execute("DELETE FROM fire_counts WHERE minute < $1", before)
