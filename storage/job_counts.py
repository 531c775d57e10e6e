"""How many jobs each service has."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import update

from storage.service_tables import job_counts
from storage.transactions import WriteConnection

SLOTS = 16

# Who stores jobs at the same time does not see each other's: a service may have one too many for
# each of the other slots, 15 at most.
COUNT_JOB = """
INSERT INTO job_counts (service_id, slot, count)
SELECT {service}, {slot}, 1
WHERE (SELECT coalesce(sum(count), 0) FROM job_counts WHERE service_id = {service}) < {most}
ON CONFLICT (service_id, slot) DO UPDATE SET count = job_counts.count + 1
RETURNING slot
"""


def count_slot(job_id: UUID) -> int:
    """The row that counts a job."""
    return job_id.int % SLOTS


async def uncount_job(connection: WriteConnection, service_id: UUID, job_id: UUID) -> None:
    """A job is deleted."""
    await connection.execute(
        update(job_counts)
        .where(job_counts.c.service_id == service_id, job_counts.c.slot == count_slot(job_id))
        .values(count=job_counts.c.count - 1)
    )
