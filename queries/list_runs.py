"""A job's runs, by filter and fire time."""

from __future__ import annotations

from domain.errors import NotFound
from queries.run_pages import RunPage, RunQuery, page_of_runs
from storage.postgres import Driver
from storage.shards import Shards

_KNOWN = "SELECT EXISTS (SELECT FROM jobs WHERE service_id = $1 AND id = $2)"


async def list_runs(query: RunQuery, shards: Shards) -> RunPage:
    """At most `limit` runs of the job that the filter names.

    Raises:
        NotFound: When the service has no such job, and no run of it.
    """
    service_id = query.service_id
    job_id = query.chosen.job_id

    async def ask(driver: Driver) -> RunPage:
        page = await page_of_runs(query, driver)
        if not page.runs and not await driver.fetchval(_KNOWN, service_id, job_id):
            raise NotFound(f"There is no job {job_id}.")
        return page

    return await shards.of(service_id).read(service_id, ask, costly=query.costly)
