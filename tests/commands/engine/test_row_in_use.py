"""Each statement that moves runs does its work though it waits for another transaction.

PostgreSQL 18.6 may tell of such a row that there is none, in the plans that the servers' settings
force (findings/update_that_waited_finds_nothing.sh).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from uuid import UUID

import pytest

from commands.firing.defer_runs import DeferRuns, defer_runs
from commands.firing.give_back_runs import GiveBackRuns, give_back_runs
from commands.firing.overlap.resolve_overlap import ResolveOverlap, resolve_overlap
from commands.firing.take_runs import TakenRun
from commands.runs.cancel_runs import CancelRun, cancel_run
from domain.policies.overlap import Overlap
from tests.commands.firing import DUE, LATER, WORKER, Firing, failed, succeeded
from tests.storage.eventually import eventually

Working = Callable[[], Awaitable[object]]


async def while_in_use(firing: Firing, run_id: UUID, work: Working) -> None:
    """Do something while another transaction has a run's row, which then commits."""
    async with firing.database.driver() as other:
        async with other.transaction():
            await other.execute("UPDATE runs SET trigger = trigger WHERE id = $1", run_id)
            working = asyncio.ensure_future(work())
            await eventually(partial(waits_for_a_lock, firing))
        await working


async def waits_for_a_lock(firing: Firing) -> bool:
    waiting = await firing.rows(
        "SELECT FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    return bool(waiting)


async def test_a_run_is_taken(firing: Firing):
    key = await firing.scheduled_run()
    await while_in_use(firing, key[1], lambda: firing.take(key))
    row = await firing.run(key[1])
    assert (row["state"], row["held_by"]) == ("queued", WORKER)


@pytest.mark.parametrize("overlap", [Overlap.ALLOW_ALL, Overlap.SKIP, Overlap.BUFFER_ALL])
async def test_a_run_begins(firing: Firing, overlap: Overlap):
    run = await firing.queued_run(overlap=overlap)
    await while_in_use(firing, run.id, lambda: firing.begin(run))
    assert await firing.state(run.id) == "running"


async def test_a_run_that_began_already_is_not_taken_for_somebody_elses(firing: Firing):
    """The answer to the first statement was lost, and the second one waited."""
    run = await firing.running_run()
    assert await resolve_overlap(
        ResolveOverlap(worker_id=WORKER, run=run, now=DUE), firing.database
    )


@pytest.mark.promise("ends under contention")
@pytest.mark.parametrize("ended", [succeeded, failed])
async def test_the_end_of_a_run_is_recorded(firing: Firing, ended: Callable[[TakenRun], object]):
    run = await firing.running_run()
    other = await firing.running_run()
    attempts = [ended(run), ended(other)]
    await while_in_use(firing, run.id, lambda: firing.finish(*attempts))
    for one in (run, other):
        assert await firing.state(one.id) == {succeeded: "succeeded", failed: "retrying"}[ended]
        assert len(await firing.outcomes(one.id)) == 1


async def test_a_run_is_deferred(firing: Firing):
    run = await firing.queued_run()
    command = DeferRuns(worker_id=WORKER, runs=[(run, LATER)])
    await while_in_use(firing, run.id, lambda: defer_runs(command, firing.database))
    row = await firing.run(run.id)
    assert (row["state"], row["held_by"], row["retry_at"]) == ("scheduled", None, LATER)


async def test_a_run_is_given_back(firing: Firing):
    run = await firing.queued_run()
    command = GiveBackRuns(worker_id=WORKER, runs=[(run.service_id, run.id)])
    await while_in_use(firing, run.id, lambda: give_back_runs(command, firing.database))
    assert await firing.state(run.id) == "scheduled"


@pytest.mark.parametrize("stage", ["queued_run", "running_run"])
async def test_a_run_is_cancelled(firing: Firing, stage: str):
    run = await getattr(firing, stage)()
    command = CancelRun(caller=firing.caller, run_id=run.id, now=LATER)
    await while_in_use(firing, run.id, lambda: cancel_run(command, firing.shards))
    assert await firing.state(run.id) == "cancelled"
