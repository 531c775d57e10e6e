"""Whether a job exists: asked when a list of what it has is empty."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import bindparam, select

from domain.errors import NotFound
from storage.postgres.pools import Driver
from storage.postgres.statements import Statement
from storage.schema.tables import jobs

_KNOWN = Statement(
    select(jobs.c.id).where(
        jobs.c.service_id == bindparam("service_id"), jobs.c.id == bindparam("id")
    )
)


async def refuse_unknown(driver: Driver, service_id: UUID, job_id: UUID | None) -> None:
    """Return if the service has that job.

    Raises:
        NotFound: When it has not.
    """
    if await _KNOWN.fetchval(driver, service_id=service_id, id=job_id) is None:
        raise NotFound(f"There is no job {job_id}.")
