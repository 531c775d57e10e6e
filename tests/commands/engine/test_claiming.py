"""Claiming ahead."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from commands.firing.claims.claim_runs import ClaimedRun
from commands.firing.claims.job_fires import RUNS_OF_A_JOB_AT_ONCE
from domain.ids import run_id
from tests.commands.firing import DUE, NOON, SECOND, Firing, instants_of


async def test_a_claim_writes_the_run_and_moves_the_job_on(firing: Firing):
    job = await firing.job(every=10 * SECOND)
    dispatcher = uuid4()
    claim = await firing.claim(NOON + 5 * SECOND, by=dispatcher)
    (run,) = await firing.runs(job.id)
    assert claim.runs == [ClaimedRun(NOON, firing.caller.service_id, run["id"])]
    assert not claim.full
    assert run["id"] == run_id(job.id, NOON)
    assert run["due_at"] == run["scheduled_for"] == NOON
    assert (run["state"], run["open"], run["trigger"]) == ("scheduled", True, "schedule")
    assert run["held_by"] == dispatcher
    row = await firing.job_row(job.id)
    assert row["next_claim_at"] == NOON + 10 * SECOND
    assert row["claimed_for"] == [NOON]


async def test_what_is_due_later_is_left_alone(firing: Firing):
    job = await firing.job()
    claim = await firing.claim(DUE - SECOND / 1_000)
    assert claim.runs == []
    assert await firing.runs(job.id) == []
    assert (await firing.job_row(job.id))["next_claim_at"] == DUE


async def test_the_last_fire_time_leaves_nothing_to_claim(firing: Firing):
    job = await firing.job()
    await firing.claim()
    assert (await firing.job_row(job.id))["next_claim_at"] is None
    assert (await firing.claim()).runs == []


async def test_a_job_that_fires_each_second_yields_every_instant_of_the_look_ahead(
    firing: Firing,
):
    job = await firing.job(every=SECOND)
    claim = await firing.claim(NOON + 5 * SECOND)
    expected = [NOON + n * SECOND for n in range(6)]
    assert sorted(run.due_at for run in claim.runs) == expected
    assert instants_of(await firing.runs(job.id)) == expected


async def test_a_fast_jobs_claim_is_bounded_and_says_that_there_is_more(firing: Firing):
    job = await firing.job(every=SECOND)
    until = NOON + (RUNS_OF_A_JOB_AT_ONCE + 50) * SECOND
    first = await firing.claim(until)
    assert len(first.runs) == RUNS_OF_A_JOB_AT_ONCE
    assert first.full
    second = await firing.claim(until)
    assert len(second.runs) == 51
    assert not second.full
    assert len(await firing.runs(job.id)) == RUNS_OF_A_JOB_AT_ONCE + 51


async def test_more_jobs_than_one_claim_takes_are_said_to_be_more(
    firing: Firing, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("commands.firing.claims.claim_runs.JOBS_AT_ONCE", 2)
    for _ in range(3):
        await firing.job()
    assert (await firing.claim()).full
    assert not (await firing.claim()).full


async def test_a_job_remembers_the_claimed_instants_that_are_still_to_come(firing: Firing):
    job = await firing.job(every=SECOND)
    await firing.claim(NOON + 2 * SECOND)
    await firing.claim(NOON + 4 * SECOND, now=NOON + SECOND)
    assert (await firing.job_row(job.id))["claimed_for"] == [NOON + n * SECOND for n in (2, 3, 4)]


async def test_concurrent_claimers_claim_every_run_exactly_once(
    firing: Firing, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("commands.firing.claims.claim_runs.JOBS_AT_ONCE", 7)
    jobs = [await firing.job() for _ in range(40)]
    dispatchers = [uuid4() for _ in range(5)]

    async def claim_all(dispatcher):
        claimed: list[ClaimedRun] = []
        while runs := (await firing.claim(by=dispatcher)).runs:
            claimed += runs
        return claimed

    claims = await asyncio.gather(*map(claim_all, dispatchers))
    claimed = [run.id for runs in claims for run in runs]
    assert len(claimed) == len(set(claimed))
    assert set(claimed) == {run_id(job.id, DUE) for job in jobs}
    for dispatcher, runs in zip(dispatchers, claims, strict=True):
        for run in runs:
            assert (await firing.run(run.id))["held_by"] == dispatcher


async def test_a_run_exists_once_although_its_instant_is_claimed_again(firing: Firing):
    job = await firing.job(every=SECOND)
    await firing.claim(NOON + SECOND)
    before = await firing.runs(job.id)
    await firing.rows(
        "UPDATE jobs SET next_claim_at = $1, next_fire_for = $1 WHERE id = $2", NOON, job.id
    )
    await firing.claim(NOON + 2 * SECOND)
    after = await firing.runs(job.id)
    assert after[:2] == before
    assert instants_of(after) == [NOON + n * SECOND for n in range(3)]


async def test_a_run_that_ended_is_not_revived_by_another_claim(firing: Firing):
    taken = await firing.running_run()
    await firing.rows("UPDATE runs SET state = 'succeeded', open = false WHERE id = $1", taken.id)
    await firing.rows("UPDATE jobs SET next_claim_at = $1, next_fire_for = $1", DUE)
    ((key,),) = [[(run.service_id, run.id) for run in (await firing.claim()).runs]]
    assert await firing.take(key) == []
    assert (await firing.run(taken.id))["state"] == "succeeded"


async def test_concurrent_claimers_claim_a_due_retry_exactly_once(firing: Firing):
    run = await firing.retrying_run()
    due_at = (await firing.run(run.id))["due_at"]
    claims = await asyncio.gather(*(firing.claim(due_at) for _ in range(8)))
    assert [one.id for claim in claims for one in claim.runs] == [run.id]
    assert (await firing.run(run.id))["retry_at"] is None


async def test_a_retry_is_not_claimed_before_it_is_due(firing: Firing):
    run = await firing.retrying_run()
    due_at = (await firing.run(run.id))["due_at"]
    assert (await firing.claim(due_at - SECOND / 1_000)).runs == []
    assert (await firing.claim(due_at)).runs == [ClaimedRun(due_at, run.service_id, run.id)]


@pytest.mark.promise("UTC offset")
@pytest.mark.parametrize(("zone", "seconds"), [("UTC", 0), ("Asia/Kathmandu", 20_700)])
async def test_a_run_records_what_clocks_showed_in_its_zone(
    firing: Firing, zone: str, seconds: int
):
    job = await firing.job(every=60 * SECOND, timezone=zone)
    await firing.claim(NOON)
    (run,) = await firing.runs(job.id)
    assert run["utc_offset"] == seconds
