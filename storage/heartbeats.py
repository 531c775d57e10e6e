"""Who lives, as the database sees it: each dispatcher and worker touches a row every second."""

from __future__ import annotations

from datetime import datetime, timedelta

from storage.postgres import Driver

LAPSE = timedelta(seconds=6)
"""Without a beat for so long, a process is taken for dead and its runs are rescued."""
KINDS = ("dispatcher", "worker")

_LIVING = "SELECT kind, count(*) AS count FROM workers WHERE heartbeat_at >= $1 GROUP BY kind"


async def living(driver: Driver, now: datetime) -> dict[str, int]:
    """How many processes of each kind beat."""
    rows = await driver.fetch(_LIVING, now - LAPSE)
    return dict.fromkeys(KINDS, 0) | {row["kind"]: row["count"] for row in rows}
