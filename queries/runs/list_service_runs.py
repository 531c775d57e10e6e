"""A service's runs, by filter and fire time."""

from __future__ import annotations

from queries.runs.pages import RunPage, RunQuery, page_of_runs
from storage.shards import Shards


async def list_service_runs(query: RunQuery, shards: Shards) -> RunPage:
    """At most `limit` runs of those chosen."""
    return await shards.of(query.service_id).read(
        query.service_id, lambda driver: page_of_runs(query, driver), costly=query.costly
    )
