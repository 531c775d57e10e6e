"""Lists of runs, compared with a recount by the plainest means."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec import Struct

from domain.filters.job_filter import Order
from domain.filters.keyset import AssociatedData
from domain.filters.run_filter import RunFilter
from domain.ids import run_id
from domain.runs.run import RunState, Trigger
from queries.runs.pages import RunQuery, page_of_runs
from storage.postgres.pools import READ_SETTINGS, Driver
from storage.urls import ShardUrls

NOW = datetime.now(UTC).replace(microsecond=0)
JOBS = [uuid4() for _ in range(3)]
OPEN = {RunState.SCHEDULED, RunState.QUEUED, RunState.RUNNING, RunState.RETRYING}


class Stored(Struct, frozen=True, kw_only=True):
    job_id: UUID
    scheduled_for: datetime
    generation: int
    state: RunState
    trigger: Trigger

    @property
    def id(self) -> UUID:
        return run_id(self.job_id, self.scheduled_for, self.generation)


# Some days apart, so that partitions are crossed, and some at the same instant.
instants = st.builds(
    lambda days, seconds: NOW - timedelta(days=days, seconds=seconds),
    st.sampled_from([0, 1, 5]),
    st.integers(0, 3),
)
many_runs = st.lists(
    st.builds(
        Stored,
        job_id=st.sampled_from(JOBS),
        scheduled_for=instants,
        generation=st.integers(0, 1),
        state=st.sampled_from(RunState),
        trigger=st.sampled_from(Trigger),
    ),
    max_size=30,
    unique_by=lambda run: (run.job_id, run.scheduled_for, run.generation),
)
filters = st.builds(
    RunFilter,
    states=st.just(())
    | st.sampled_from(RunState).map(lambda state: (state,))
    | st.lists(st.sampled_from(RunState), max_size=3, unique=True).map(tuple),
    trigger=st.none() | st.none() | st.sampled_from(Trigger),
    job_id=st.none() | st.sampled_from(JOBS),
    since=st.none() | st.none() | instants,
    before=st.none() | st.none() | instants,
)


def expected(runs: Sequence[Stored], query: RunQuery) -> list[UUID]:
    chosen = query.chosen
    found = [
        run
        for run in runs
        if (not chosen.states or run.state in chosen.states)
        and chosen.trigger in (None, run.trigger)
        and chosen.job_id in (None, run.job_id)
        and (chosen.since is None or run.scheduled_for >= chosen.since)
        and (chosen.before is None or run.scheduled_for < chosen.before)
    ]
    reverse = query.order is Order.DESC
    if query.by_id:
        return sorted((run.id for run in found), reverse=reverse)
    found.sort(key=lambda run: (run.scheduled_for, run.generation), reverse=reverse)
    return [run.id for run in found]


async def store(driver: Driver, service_id: UUID, runs: Sequence[Stored]) -> None:
    for run in runs:
        await driver.execute(
            "INSERT INTO runs (service_id, job_id, scheduled_for, generation, id, due_at, trigger,"
            " state, open, attempt_count, failed)"
            " VALUES ($1, $2, $3, $4, $5, $3, $6, $7, $8, 0, $9)",
            *(service_id, run.job_id, run.scheduled_for, run.generation, run.id, run.trigger),
            *(run.state, run.state in OPEN, run.state is RunState.FAILED),
        )


async def walked(driver: Driver, query: RunQuery, look: int) -> list[UUID]:
    """The ids on all pages."""
    ids: list[UUID] = []
    after: AssociatedData | None = None
    for _ in range(100):
        page = await page_of_runs(
            RunQuery(
                service_id=query.service_id,
                chosen=query.chosen,
                order=query.order,
                limit=query.limit,
                after=after,
            ),
            driver,
            look,
        )
        assert len(page.runs) <= query.limit
        ids += [run.id for run in page.runs]
        if (after := page.more) is None:
            return ids
    raise AssertionError("The list does not end.")


async def compare(urls: ShardUrls, runs: list[Stored], query: RunQuery, look: int) -> None:
    driver = await asyncpg.connect(urls.primary, server_settings=READ_SETTINGS)
    try:
        transaction = driver.transaction()
        await transaction.start()
        await store(driver, query.service_id, runs)
        await store(driver, uuid4(), runs[:5])
        found = await walked(driver, query, look)
        await transaction.rollback()
    finally:
        await driver.close()
    assert found == expected(runs, query)


@pytest.mark.parametrize("look", [1, 3, 8, 2_000])
@pytest.mark.parametrize("order", Order)
@given(runs=many_runs, chosen=filters, limit=st.integers(1, 9))
@settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_a_list_shows_what_a_recount_finds(  # noqa: PLR0917
    commands_urls: ShardUrls,
    look: int,
    order: Order,
    runs: list[Stored],
    chosen: RunFilter,
    limit: int,
) -> None:
    query = RunQuery(service_id=uuid4(), chosen=chosen, order=order, limit=limit, after=None)
    asyncio.run(compare(commands_urls, runs, query, look))
