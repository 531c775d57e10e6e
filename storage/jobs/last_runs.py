"""The last runs of jobs with `max_runs`: such a job ends when its last run has ended.

It has had all its runs when `next_fire_for` is not later than `accounted_to`; it is then the fire
time of the last one. A run that is skipped is taken off the count, and the job goes on; so claims
look at it again and again until no run is left that could be.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from storage.postgres.pools import Driver
from storage.sql import statement

LOOK_AGAIN = timedelta(seconds=1)
_SELDOM = timedelta(seconds=60)

_OPEN = statement("claims/jobs_with_open_runs")

_LAST_OPEN = """
SELECT max(scheduled_for) FROM runs
WHERE service_id = $1 AND job_id = $2 AND open AND scheduled_for > $3 AND trigger = 'schedule'
"""


async def last_open_run(
    driver: Driver, service_id: UUID, job_id: UUID, since: datetime
) -> datetime | None:
    """The last fire time of a job whose run is not over.

    Args:
        since: Runs of its schedule are later than this.
    """
    found: datetime | None = await driver.fetchval(_LAST_OPEN, service_id, job_id, since)
    return found


async def jobs_with_open_runs(
    driver: Driver, jobs: Sequence[tuple[UUID, UUID, datetime]]
) -> set[UUID]:
    """Those of locked jobs that have runs of their schedule which are not over.

    Args:
        jobs: Services, jobs, and after when the runs of their schedules are.
    """
    rows = await _OPEN.fetch(
        driver,
        service_ids=[service_id for service_id, _, _ in jobs],
        job_ids=[job_id for _, job_id, _ in jobs],
        since=[since for _, _, since in jobs],
    )
    return {row["id"] for row in rows}


def look_again_after(age: timedelta) -> timedelta:
    """How long to wait for a run whose fire time is so long ago: the longer, the less often."""
    return min(max(LOOK_AGAIN, age / 8), _SELDOM)
