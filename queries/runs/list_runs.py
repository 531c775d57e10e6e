"""A job's runs, by filter and fire time."""

from __future__ import annotations

from queries.jobs.known_jobs import refuse_unknown
from queries.runs.pages import RunPage, RunQuery, page_of_runs
from storage.postgres.pools import Driver
from storage.shards import Shards


async def list_runs(query: RunQuery, shards: Shards) -> RunPage:
    """At most `limit` runs of the job that the filter names.

    Raises:
        NotFound: When the service has no such job, and no run of it.
    """
    service_id = query.service_id

    async def ask(driver: Driver) -> RunPage:
        page = await page_of_runs(query, driver)
        if not page.runs:
            await refuse_unknown(driver, service_id, query.chosen.job_id)
        return page

    return await shards.of(service_id).read(service_id, ask, costly=query.costly)
