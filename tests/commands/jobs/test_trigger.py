"""Running a job now."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from app.embedded.ports import free_port
from domain.ids import run_id
from domain.runs.run import RunState, Trigger
from storage.shards import Shards
from storage.urls import ShardUrls
from tests.commands.changing import pause, trigger
from tests.commands.firing import DUE, NOON, SECOND, Firing, instants_of
from tests.commands.messages import waiting_messages

TICK = timedelta(microseconds=1)


@pytest.fixture
async def lonely(commands_urls: ShardUrls) -> AsyncIterator[Shards]:
    """The shard without its Redis."""
    away = f"redis://127.0.0.1:{free_port()}"
    shards = Shards(ShardUrls(primary=commands_urls.primary, redis=away))
    yield shards
    await shards.close()


async def test_a_trigger_writes_a_run_that_is_due_now(firing: Firing):
    job = await firing.job()
    run = await trigger(firing.shards, firing.caller, job.id)
    assert (run.state, run.trigger) == (RunState.SCHEDULED, Trigger.MANUAL)
    assert run.scheduled_for == run.due_at == NOON
    assert run.id == run_id(job.id, NOON)
    (row,) = await firing.runs(job.id)
    assert (row["id"], row["open"], row["attempt_count"]) == (run.id, True, 0)
    (taken,) = await firing.take((firing.caller.service_id, run.id))
    assert await firing.start(taken) == {run.id}


async def test_a_trigger_hands_its_run_over(firing: Firing, quiet: Shards):
    job = await firing.job()
    waiting_messages(quiet)
    run = await trigger(quiet, firing.caller, job.id)
    assert waiting_messages(quiet) == [(firing.caller.service_id, run.id)]


async def test_a_trigger_leaves_the_schedule_as_it_is(firing: Firing):
    job = await firing.job()
    before = await firing.job_row(job.id)
    await trigger(firing.shards, firing.caller, job.id)
    assert await firing.job_row(job.id) == before


async def test_a_paused_job_can_be_triggered(firing: Firing):
    job = await firing.job()
    await pause(firing.shards, firing.caller, job.id)
    run = await trigger(firing.shards, firing.caller, job.id)
    (taken,) = await firing.take((firing.caller.service_id, run.id))
    assert await firing.start(taken) == {run.id}


async def test_triggers_at_the_same_instant_get_a_microsecond_each(firing: Firing):
    job = await firing.job()
    runs = await asyncio.gather(*(trigger(firing.shards, firing.caller, job.id) for _ in range(8)))
    expected = [NOON + n * TICK for n in range(8)]
    assert sorted(run.scheduled_for for run in runs) == expected
    assert instants_of(await firing.runs(job.id)) == expected


async def test_a_trigger_does_not_take_the_place_of_a_fire_time(firing: Firing):
    job = await firing.job()
    manual = await trigger(firing.shards, firing.caller, job.id, DUE)
    assert manual.scheduled_for == DUE + TICK
    await firing.claim()
    again = await trigger(firing.shards, firing.caller, job.id, DUE)
    assert again.scheduled_for == DUE + 2 * TICK
    rows = await firing.runs(job.id)
    assert [row["trigger"] for row in rows] == ["schedule", "manual", "manual"]


async def test_a_trigger_survives_that_redis_is_down(firing: Firing, lonely: Shards):
    job = await firing.job()
    run = await trigger(lonely, firing.caller, job.id)
    row = await firing.run(run.id)
    assert (row["state"], row["open"]) == ("scheduled", True)
    assert await firing.take((firing.caller.service_id, run.id)) != []


async def test_a_job_is_stored_though_redis_is_down(firing: Firing, lonely: Shards):
    job = await Firing(lonely, firing.caller).job()
    assert (await firing.job_row(job.id))["next_claim_at"] == DUE


async def test_a_trigger_leaves_every_fire_time_to_the_schedule(firing: Firing):
    job = await firing.job(every=SECOND)
    later = NOON + 30 * SECOND
    run = await trigger(firing.shards, firing.caller, job.id, later)
    assert run.scheduled_for != later
    await firing.claim(later)
    fired = [row["scheduled_for"] for row in await firing.runs(job.id)]
    assert [NOON + n * SECOND for n in range(31)] == [at for at in fired if at != run.scheduled_for]
