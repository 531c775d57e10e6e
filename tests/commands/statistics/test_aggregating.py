"""Events of ended runs are counted once, whoever counts them and however that ends."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from commands.firing.finish_attempts import finish_attempts
from domain.runs.run import Outcome
from storage.postgres.pools import Database
from storage.services import statistics as stats
from storage.services.statistics import LOOSE, aggregate_events, may_write, sole_writer
from tests.commands.ended_runs import (
    Ending,
    agree,
    end,
    fold,
    job_counts,
    kept,
    recounted,
    ring,
    service_counts,
    waiting,
)
from tests.commands.firing import DUE, SECOND, Firing

MILLISECOND = timedelta(milliseconds=1)


def many(job_id: UUID, count: int) -> list[Ending]:
    return [
        Ending(
            job_id=job_id,
            due_at=DUE + number * MILLISECOND,
            lateness=number * 17 * timedelta(microseconds=1),
            overlap_wait_ms=number * 0.01 if number % 3 == 0 else None,
            duration=(1 + number * number) * MILLISECOND,
            outcome=Outcome.FAILED if number % 4 == 3 else Outcome.SUCCEEDED,
        )
        for number in range(count)
    ]


async def test_a_batch_that_ends_is_one_event_and_counts_when_it_is_folded(firing: Firing):
    job = await firing.job()
    await end(firing.shard, firing.caller, many(job.id, 8))
    (event,) = await waiting(firing)
    assert event["count"] == len(event["states"]) == 8
    assert await job_counts(firing, job.id) == {}
    assert await fold(firing) == 8
    assert await waiting(firing) == []
    assert await job_counts(firing, job.id) == {"succeeded": 6, "failed": 2}
    assert await service_counts(firing) == {"succeeded": 6, "failed": 2}
    agree(await kept(firing), await recounted(firing))


async def test_a_finish_that_is_repeated_writes_no_second_event(firing: Firing):
    job = await firing.job()
    attempts = await ring(firing.database, firing.caller, many(job.id, 3))
    for _ in range(3):
        await finish_attempts(attempts, firing.shard)
    assert [event["count"] for event in await waiting(firing)] == [3]


@pytest.mark.promise("statistics")
async def test_folds_at_once_count_once(firing: Firing):
    job = await firing.job()
    for number in range(10):
        mine = Ending(job_id=job.id, due_at=DUE + number * SECOND)
        await end(firing.shard, firing.caller, [*many(uuid4(), 7), mine])
    counted = await asyncio.gather(*(fold(firing) for _ in range(6)))
    assert sum(counted) + await fold(firing) == 80
    assert await job_counts(firing, job.id) == {"succeeded": 10}
    assert sum((await service_counts(firing)).values()) == 80


async def test_a_fold_that_dies_before_its_commit_has_not_been(
    firing: Firing, other_database: Database
):
    job = await firing.job()
    await end(firing.shard, firing.caller, many(job.id, 5))
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):  # noqa: PT012
        async with other_database.driver() as driver, driver.transaction():
            assert await may_write(driver)
            assert (await aggregate_events(driver, DUE)).runs == 5
            mine = await driver.fetchval("SELECT pg_backend_pid()")
            await firing.rows("SELECT pg_terminate_backend($1, 5000)", mine)
    assert await job_counts(firing, job.id) == {}
    assert await fold(firing) == 5
    assert await fold(firing) == 0
    agree(await kept(firing), await recounted(firing))


async def test_while_somebody_writes_a_fold_leaves_events_where_they_are(
    firing: Firing, other_database: Database
):
    job = await firing.job()
    await end(firing.shard, firing.caller, many(job.id, 2))
    async with other_database.driver() as driver, sole_writer(driver):
        assert await fold(firing) == 0
    assert await fold(firing) == 2


async def test_a_fold_takes_few_at_once_and_says_that_there_is_more(
    firing: Firing, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(stats, "RUNS_AT_ONCE", 5)
    job = await firing.job()
    for batch in range(4):
        moved = [
            Ending(job_id=job.id, due_at=DUE + batch * SECOND + n * MILLISECOND) for n in range(3)
        ]
        await end(firing.shard, firing.caller, moved)
    async with firing.database.driver() as driver, driver.transaction():
        assert await may_write(driver)
        assert await aggregate_events(driver, DUE) == (6, True)
    assert await fold(firing) == 6
    assert await job_counts(firing, job.id) == {"succeeded": 12}


async def test_sketches_that_grew_are_made_compact_and_say_the_same(firing: Firing):
    job = await firing.job()
    for batch in range(3):
        endings = [
            Ending(
                job_id=job.id,
                due_at=DUE + (batch * LOOSE + number) * MILLISECOND,
                lateness=number % 20 * MILLISECOND,
                overlap_wait_ms=0.0,
            )
            for number in range(LOOSE)
        ]
        await end(firing.shard, firing.caller, endings)
        await fold(firing)
    (row,) = await firing.rows("SELECT * FROM job_stats WHERE job_id = $1", job.id)
    assert row["loose"] == 0
    assert len(row["lateness"]) == 20 * 6
    assert len(row["duration"]) == len(row["overlap_wait"]) == 6
    agree(await kept(firing), await recounted(firing))


async def test_runs_count_where_they_ended_and_not_where_they_were_due(firing: Firing):
    job = await firing.job()
    due = DUE.replace(hour=23, minute=59, second=59)
    await end(firing.shard, firing.caller, [Ending(job_id=job.id, due_at=due, duration=2 * SECOND)])
    await fold(firing)
    (row,) = await firing.rows("SELECT day FROM job_stats WHERE job_id = $1", job.id)
    assert row["day"] == due.replace(hour=0, minute=0, second=0) + timedelta(days=1)


async def test_statistics_of_long_ago_are_forgotten(firing: Firing):
    job = await firing.job()
    days = [DUE, DUE + timedelta(days=1), DUE + timedelta(days=2)]
    await end(firing.shard, firing.caller, [Ending(job_id=job.id, due_at=day) for day in days])
    await fold(firing)
    async with firing.database.driver() as driver:
        before = days[2].replace(hour=0, second=0)
        assert await stats.forget_stats(driver, before) == 4
    assert await job_counts(firing, job.id) == {"succeeded": 1}
    assert await service_counts(firing) == {"succeeded": 1}
