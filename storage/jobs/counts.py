"""How many jobs each service has."""

from __future__ import annotations

from uuid import UUID

from storage.postgres.pools import Driver

SLOTS = 16
SPARE = 1_000
"""Transactions that store jobs at the same time do not see each other's. So the last ones that a
service may have are stored by one transaction after another: it never has too many, unless more
than these are being stored at once."""

_UNCOUNT_JOB = """
INSERT INTO job_counts (service_id, slot, count) VALUES ($1, $2, -1)
ON CONFLICT (service_id, slot) DO UPDATE SET count = job_counts.count - 1
"""


def count_slot(job_id: UUID) -> int:
    """The row that a job is counted in, or counted off: only their sum tells anything."""
    return job_id.int % SLOTS


async def uncount_job(driver: Driver, service_id: UUID, job_id: UUID) -> None:
    """A job is deleted."""
    await driver.execute(_UNCOUNT_JOB, service_id, count_slot(job_id))
