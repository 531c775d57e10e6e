"""Workers take over what was handed over."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from commands.firing.give_back_runs import GiveBackRuns, give_back_runs
from commands.jobs.delete_job import DeleteJob, delete_job
from domain.ids import run_id
from tests.commands.firing import (
    DUE,
    NOON,
    OTHER_WORKER,
    SECOND,
    STEADY,
    TARGET,
    WORKER,
    Firing,
    failed,
)


async def test_exactly_one_of_many_workers_takes_a_run(firing: Firing):
    run = await firing.scheduled_run()
    workers = [uuid4() for _ in range(15)]
    takes = await asyncio.gather(*(firing.take(run, by=worker) for worker in workers))
    (winner,) = [worker for worker, taken in zip(workers, takes, strict=True) if taken]
    row = await firing.run(run[1])
    assert (row["state"], row["held_by"]) == ("queued", winner)


async def test_a_taken_run_brings_all_that_its_ring_needs(firing: Firing):
    job = await firing.job()
    await firing.claim()
    key = (firing.caller.service_id, run_id(job.id, DUE))
    (taken,) = await firing.take(key)
    ((secrets,),) = await firing.rows(
        "SELECT signing_secrets FROM services WHERE id = $1", firing.caller.service_id
    )
    assert (taken.service_id, taken.id) == key
    assert (taken.job_id, taken.job_name) == (job.id, "a job")
    assert taken.scheduled_for == taken.due_at == DUE
    assert (taken.number, taken.job_version) == (1, 1)
    assert (taken.target, taken.retry) == (TARGET, STEADY)
    assert taken.signing_secrets == secrets


async def test_a_worker_whose_reply_was_lost_is_told_again(firing: Firing):
    run = await firing.scheduled_run()
    assert await firing.take(run) == await firing.take(run) != []


async def test_a_message_that_names_a_run_twice_takes_it_once(firing: Firing):
    run = await firing.scheduled_run()
    assert [taken.id for taken in await firing.take(run, run)] == [run[1]]


@pytest.mark.parametrize("stage", ["queued_run", "running_run"])
async def test_a_second_message_for_a_run_in_other_hands_takes_nothing(firing: Firing, stage: str):
    run = await getattr(firing, stage)(OTHER_WORKER)
    before = await firing.run(run.id)
    assert await firing.take((run.service_id, run.id)) == []
    assert await firing.run(run.id) == before


async def test_a_second_message_for_a_run_that_rings_here_takes_nothing(firing: Firing):
    run = await firing.running_run()
    assert await firing.take((run.service_id, run.id)) == []


@pytest.mark.promise("backoff")
async def test_a_duplicate_message_does_not_jump_a_retrys_backoff(firing: Firing):
    run = await firing.retrying_run()
    waiting = await firing.run(run.id)
    assert await firing.take((run.service_id, run.id), until=DUE + 5 * SECOND) == []
    assert await firing.run(run.id) == waiting
    (taken,) = await firing.take((run.service_id, run.id), until=waiting["due_at"])
    assert taken.number == 2
    assert taken.due_at == waiting["due_at"] == DUE + 61 * SECOND
    assert (await firing.claim(waiting["due_at"])).runs == []


async def test_of_a_batch_only_what_still_waits_is_taken(firing: Firing):
    waiting = [await firing.scheduled_run() for _ in range(3)]
    elsewhere = await firing.queued_run(OTHER_WORKER)
    unknown = (firing.caller.service_id, run_id(uuid4(), DUE))
    taken = await firing.take(*waiting, (elsewhere.service_id, elsewhere.id), unknown)
    assert {run.id for run in taken} == {run for _, run in waiting}


async def test_another_services_message_cannot_name_a_run(firing: Firing):
    _, run = await firing.scheduled_run()
    assert await firing.take((uuid4(), run)) == []


async def test_a_retry_whose_job_was_deleted_ends_cancelled_when_it_is_taken(firing: Firing):
    run = await firing.running_run()
    command = DeleteJob(caller=firing.caller, job_id=run.job_id, now=DUE)
    await delete_job(command, firing.shards)
    await firing.finish(failed(run))
    due_at = (await firing.run(run.id))["due_at"]
    assert await firing.take((run.service_id, run.id), until=due_at) == []
    row = await firing.run(run.id)
    assert (row["state"], row["open"], row["held_by"]) == ("cancelled", False, None)
    assert row["finished_at"] == NOON
    assert await firing.outcomes(run.id) == ["failed"]


async def test_what_a_worker_gives_back_can_be_taken_by_another(firing: Firing):
    first = await firing.queued_run()
    retry = await firing.retrying_run()
    due_at = (await firing.run(retry.id))["due_at"]
    await firing.take((retry.service_id, retry.id), until=due_at)
    keys = [(run.service_id, run.id) for run in (first, retry)]
    command = GiveBackRuns(worker_id=WORKER, runs=keys)
    assert set(await give_back_runs(command, firing.database)) == set(keys)
    assert (await firing.run(first.id))["state"] == "scheduled"
    assert (await firing.run(retry.id))["state"] == "retrying"
    assert await firing.start(first) == set()
    assert len(await firing.take(*keys, by=OTHER_WORKER, until=due_at)) == 2


async def test_a_worker_gives_back_only_what_waits_in_its_own_hands(firing: Firing):
    elsewhere = await firing.queued_run(OTHER_WORKER)
    ringing = await firing.running_run()
    keys = [(run.service_id, run.id) for run in (elsewhere, ringing)]
    before = [await firing.run(run) for _, run in keys]
    command = GiveBackRuns(worker_id=WORKER, runs=keys)
    assert await give_back_runs(command, firing.database) == []
    assert [await firing.run(run) for _, run in keys] == before
