"""What lists look jobs up by, beside `jobs`: written by whoever makes or changes a job."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Text, bindparam, cast, func, update
from sqlalchemy.dialects.postgresql import ARRAY

from domain.filters.search_index import job_terms
from domain.jobs.job import Job
from storage.postgres.pools import Driver
from storage.postgres.statements import Statement, given, values_of
from storage.schema.tables import listings

FOUND_BY = frozenset({"name", "description", "tags", "target"})
"""Fields of a job that its terms are made of."""

_THIS = given(listings.c.service_id, listings.c.id)
_TERMS = func.array_to_tsvector(cast(bindparam("terms"), ARRAY(Text)))
_LIST_AT = update(listings).where(*_THIS).values(values_of("updated_at"))
LIST_AT = Statement(_LIST_AT)
"""A job was changed, but nothing that it is found by."""
_LIST_ANEW = Statement(_LIST_AT.values(terms=_TERMS))


async def list_anew(driver: Driver, service_id: UUID, job: Job, *, terms: bool) -> None:
    """Bring the listing of a locked job up to date.

    Args:
        terms: Whether its terms may have changed.
    """
    listed = {"service_id": service_id, "id": job.id, "updated_at": job.updated_at}
    if terms:
        await _LIST_ANEW.execute(driver, **listed, terms=job_terms(service_id, job))
    else:
        await LIST_AT.execute(driver, **listed)
