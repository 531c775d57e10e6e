"""What lists look jobs up by, beside `jobs`: written by whoever makes or changes a job."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Text, cast, func, update
from sqlalchemy.dialects.postgresql import ARRAY

from domain.job import Job
from domain.terms import job_terms
from storage.tables import listings
from storage.transactions import WriteConnection

FOUND_BY = frozenset({"name", "description", "tags", "target"})
"""Fields of a job that its terms are made of."""


async def list_anew(
    connection: WriteConnection, service_id: UUID, job: Job, *, terms: bool
) -> None:
    """Bring the listing of a locked job up to date.

    Args:
        terms: Whether its terms may have changed.
    """
    values: dict[str, object] = {"updated_at": job.updated_at}
    if terms:
        values["terms"] = func.array_to_tsvector(cast(job_terms(service_id, job), ARRAY(Text)))
    await connection.execute(
        update(listings)
        .where(listings.c.service_id == service_id, listings.c.id == job.id)
        .values(**values)
    )
