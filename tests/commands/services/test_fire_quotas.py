"""Runs beyond what a service may have a minute do not ring; the ledger says why."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from uuid import uuid4

import pytest

from commands.firing.claims.claim_runs import Claim, ClaimRuns, claim_runs
from commands.services.update_service import UpdateService, update_service
from domain.quotas.limits import Limits
from queries.jobs.get_ledger import GetLedger, get_ledger
from storage.postgres.pools import Database
from storage.services.fire_quotas import UNCOUNTED, forget_fire_counts
from tests.commands.firing import DUE, NOON, SECOND, Firing

MINUTE = timedelta(minutes=1)


async def may_fire(firing: Firing, count: int) -> None:
    await update_service(
        UpdateService(
            caller=firing.caller,
            service_id=firing.caller.service_id,
            limits=lambda _: Limits(fires_per_minute=count),
            now=NOON,
        ),
        firing.shards,
    )


async def claim(
    firing: Firing,
    now: datetime = DUE - SECOND,
    database: Database | None = None,
    *,
    late: bool = False,
) -> Claim:
    command = ClaimRuns(dispatcher_id=uuid4(), now=now, until=now + 5 * SECOND, late=late)
    return await claim_runs(command, database or firing.database)


async def outcomes(firing: Firing, now: datetime = DUE + MINUTE) -> list[str]:
    """What the ledgers of all jobs say up to now."""
    async with firing.database.driver() as driver:
        jobs = await driver.fetch(
            "SELECT id FROM jobs WHERE service_id = $1", firing.caller.service_id
        )
    told: list[str] = []
    for job in jobs:
        query = GetLedger(
            caller=firing.caller,
            job_id=job["id"],
            start=NOON,
            end=now,
            after=None,
            limit=50,
            now=now,
        )
        told += [entry.outcome for entry in await get_ledger(query, firing.shards)]
    return sorted(told)


@pytest.mark.promise("outcome: quota")
async def test_what_is_beyond_the_limit_is_told_and_does_not_ring(firing: Firing):
    await may_fire(firing, 2)
    for _ in range(5):
        await firing.job()
    assert len((await claim(firing)).runs) == 2
    assert await outcomes(firing) == ["quota"] * 3 + ["run"] * 2


async def test_the_next_minute_has_a_limit_of_its_own(firing: Firing):
    await may_fire(firing, 1)
    for at in (DUE, DUE, DUE + MINUTE, DUE + MINUTE):
        await firing.job(at=at)
    assert len((await claim(firing)).runs) == 1
    assert len((await claim(firing, DUE + MINUTE - SECOND)).runs) == 1
    assert await outcomes(firing, DUE + 2 * MINUTE) == ["quota"] * 2 + ["run"] * 2


async def test_a_job_that_goes_on_keeps_its_next_fire_times(firing: Firing):
    await may_fire(firing, 3)
    job = await firing.job(every=SECOND)
    runs = (await claim(firing, NOON)).runs
    assert len(runs) == 3
    assert [run.due_at for run in runs] == sorted(run.due_at for run in runs)
    later = DUE + MINUTE
    # What was missed counts with the minute in which it rings at last.
    assert len((await claim(firing, later, late=True)).runs) == 3
    async with firing.database.driver() as driver:
        row = await driver.fetchrow("SELECT next_fire_for FROM jobs WHERE id = $1", job.id)
    assert row is not None
    assert row["next_fire_for"] > later


async def test_dispatchers_share_the_count(firing: Firing, other_database: Database):
    await may_fire(firing, 30)
    for _ in range(100):
        await firing.job()
    claims = await asyncio.gather(
        *(claim(firing, database=database) for database in [firing.database, other_database] * 2)
    )
    assert sum(len(one.runs) for one in claims) == 30
    assert await outcomes(firing) == ["quota"] * 70 + ["run"] * 30


async def test_another_service_is_not_counted_with_it(firing: Firing, other_service: Firing):
    await may_fire(firing, 1)
    for some in (firing, other_service):
        for _ in range(3):
            await some.job()
    assert len((await claim(firing)).runs) == 1 + 3


async def test_a_fire_time_that_has_its_run_is_told_once(firing: Firing):
    job = await firing.job()
    await claim(firing)
    await may_fire(firing, 1)
    # As after a fail-over that lost the job's last change, but not the run's partition.
    async with firing.database.driver() as driver:
        await driver.execute(
            "UPDATE jobs SET next_fire_for = $2, next_claim_at = $2, accounted_to = $3"
            " WHERE id = $1",
            job.id,
            DUE,
            NOON,
        )
        await driver.execute(
            "INSERT INTO fire_counts VALUES ($1, $2, 1)",
            firing.caller.service_id,
            DUE.replace(second=0),
        )
    await claim(firing)
    assert await outcomes(firing) == ["run"]


@pytest.mark.parametrize("own", [True, False])
async def test_only_what_may_matter_is_counted(firing: Firing, own: bool):
    if own:
        await may_fire(firing, 1_000)
    await firing.job()
    await claim(firing)
    assert await counted(firing) == int(own)
    for _ in range(UNCOUNTED):
        await firing.job(at=DUE + MINUTE)
    await claim(firing, DUE + MINUTE - SECOND)
    assert await counted(firing) == int(own) + UNCOUNTED
    async with firing.database.driver() as driver:
        await forget_fire_counts(driver, DUE + 2 * MINUTE)
    assert await counted(firing) == 0


async def counted(firing: Firing) -> int:
    async with firing.database.driver() as driver:
        count: int = await driver.fetchval(
            "SELECT coalesce(sum(count), 0) FROM fire_counts WHERE service_id = $1",
            firing.caller.service_id,
        )
    return count
