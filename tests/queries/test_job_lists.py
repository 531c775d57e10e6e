"""Lists of jobs, compared with a recount by the plainest means."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from domain.filters.job_filter import JobFilter, JobOrder, JobSort, Order
from domain.filters.keyset import AssociatedData
from queries.jobs import pages as job_pages
from queries.jobs.pages import JobQuery, Looks, page_of_jobs
from storage.postgres.pools import READ_SETTINGS, Driver
from storage.urls import ShardUrls
from tests.queries.jobs_at_random import NOW, Stored, expected, filters, many_jobs, store

ORDERS = [
    JobOrder(sort=sort, order=order)
    for sort in JobSort
    for order in Order
    if (sort, order) != (JobSort.LAST_RUN, Order.ASC)
]


LOOKS = [Looks(3, 2, 6), Looks(6, 8, 40), job_pages.LOOKS]
"""How far a page looks: little, so that it ends early; some; and as it really does."""


async def walked(  # noqa: PLR0917
    driver: Driver, service_id: UUID, chosen: JobFilter, order: JobOrder, limit: int, looks: Looks
) -> list[UUID]:
    """The ids on all pages."""
    ids: list[UUID] = []
    after: AssociatedData | None = None
    for _ in range(200):
        query = JobQuery(
            service_id=service_id, chosen=chosen, order=order, limit=limit, after=after, now=NOW
        )
        page = await page_of_jobs(query, driver, looks)
        assert len(page.rows) <= limit
        ids += [row["id"] for row in page.rows]
        if (after := page.more) is None:
            return ids
    raise AssertionError("The list does not end.")


async def compare(  # noqa: PLR0917
    urls: ShardUrls,
    jobs: list[Stored],
    chosen: JobFilter,
    order: JobOrder,
    limit: int,
    looks: Looks,
) -> None:
    driver = await asyncpg.connect(urls.primary, server_settings=READ_SETTINGS)
    try:
        transaction = driver.transaction()
        await transaction.start()
        mine, others = uuid4(), uuid4()
        for service_id in (mine, others):
            await driver.execute(
                "INSERT INTO services VALUES ($1, $2, '{}', now())", service_id, str(service_id)
            )
        await store(driver, mine, jobs)
        await store(driver, others, jobs[:3])
        found = await walked(driver, mine, chosen, order, limit, looks)
        await transaction.rollback()
    finally:
        await driver.close()
    assert found == expected(jobs, chosen, order)


@pytest.mark.parametrize("looks", LOOKS, ids=lambda looks: str(looks.first))
@pytest.mark.parametrize("order", ORDERS, ids=lambda order: f"{order.sort}-{order.order}")
@given(jobs=many_jobs(), chosen=filters, limit=st.integers(1, 9))
@settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_a_list_shows_what_a_recount_finds(  # noqa: PLR0917
    commands_urls: ShardUrls,
    looks: Looks,
    order: JobOrder,
    jobs: list[Stored],
    chosen: JobFilter,
    limit: int,
) -> None:
    asyncio.run(compare(commands_urls, jobs, chosen, order, limit, looks))
