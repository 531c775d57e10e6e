"""An index on days that have runs already is built while everything goes on."""

from __future__ import annotations

import pytest

from storage.postgres.pools import Database
from storage.schema.migrate import LockedOut, migrate
from storage.schema.partitions import make_partitions
from tests.storage.schema.test_expand_and_contract import TODAY, asyncpg_session, hasty, upgrade_to

INDEXES = """
SELECT count(*) FILTER (WHERE indisvalid) AS valid, count(*) FILTER (WHERE NOT indisvalid) AS broken
FROM pg_index WHERE pg_get_indexdef(indexrelid) LIKE '%(service_id, job_id, due_at, id)%'
"""


async def test_an_index_whose_building_was_broken_off_is_built_anew(database: Database):
    """0011 builds one on each day, and waits for who reads since before."""
    await upgrade_to(database, "0010")
    async with database.driver() as driver:
        days = len([name for name in await make_partitions(driver, TODAY) if "runs" in name])
    async with asyncpg_session(database.primary_url) as reader:
        async with reader.transaction(isolation="repeatable_read"):
            await reader.fetchval("SELECT count(*) FROM services")
            with pytest.raises(LockedOut):
                await migrate(database, TODAY, hasty(tries=1))
            async with database.driver() as driver:
                assert (await driver.fetch(INDEXES))[0]["broken"]
        await migrate(database, TODAY)
        (found,) = await reader.fetch(INDEXES)
    # Of each day, the default partition and the table.
    assert (found["valid"], found["broken"]) == (days + 2, 0)
