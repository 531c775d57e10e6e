"""Runs of `buffer_all` begin in the order in which they are due, however long one is on its way."""

from __future__ import annotations

import pytest

from commands.firing.defer_runs import DeferRuns, defer_runs
from commands.firing.rescue_runs import RescueRuns, rescue_runs
from commands.firing.take_runs import TakenRun
from commands.runs.cancel_runs import CancelRun, cancel_run
from domain.policies.overlap import Overlap
from tests.commands.firing import (
    LATER,
    NOON,
    OTHER_WORKER,
    SECOND,
    WORKER,
    Firing,
    failed,
    succeeded,
)

DAY = 86_400 * SECOND


async def runs_of_a_job(firing: Firing, count: int) -> list[TakenRun]:
    """Runs of an idle job, in order; the first waits in another worker than the others."""
    job = await firing.job(at=NOON + DAY, overlap=Overlap.BUFFER_ALL)
    workers = [OTHER_WORKER, *[WORKER] * (count - 1)]
    return [
        await firing.triggered(job.id, by=worker, now=LATER + number * SECOND)
        for number, worker in enumerate(workers)
    ]


async def begins(firing: Firing, run: TakenRun, *, by: object = WORKER) -> bool:
    return await firing.begin(run, by=by, now=LATER + 10 * SECOND)


async def taken_again(firing: Firing, run: TakenRun) -> TakenRun:
    (taken,) = await firing.take((run.service_id, run.id), until=LATER + 10 * SECOND)
    return taken


@pytest.mark.promise("order")
async def test_a_run_waits_for_an_earlier_one_that_is_on_its_way(firing: Firing):
    first, second, third = await runs_of_a_job(firing, 3)
    for run in (third, second):
        assert not await begins(firing, run)
        assert (await firing.run(run.id))["buffered"]
    # Nothing is passed on in vain, again and again.
    assert await firing.pass_overlap_locks() == []
    assert await begins(firing, first, by=OTHER_WORKER)
    await firing.finish(succeeded(first, by=OTHER_WORKER))
    for run in (second, third):
        assert await firing.pass_overlap_locks() == [run.id]
        again = await taken_again(firing, run)
        assert await begins(firing, again)
        await firing.finish(succeeded(again))
    assert await firing.pass_overlap_locks() == []


async def test_a_run_waits_for_an_earlier_one_that_is_deferred_or_was_rescued(firing: Firing):
    first, second = await runs_of_a_job(firing, 2)
    until = LATER + 60 * SECOND
    command = DeferRuns(worker_id=OTHER_WORKER, runs=[(first, until)])
    await defer_runs(command, firing.database)
    assert not await begins(firing, second)
    assert await firing.pass_overlap_locks() == []
    await firing.claim(until, now=until)
    await firing.take((first.service_id, first.id), by=OTHER_WORKER, until=until)
    await rescue_runs(RescueRuns(now=until), firing.shard)
    assert await firing.pass_overlap_locks() == []
    assert await begins(firing, await taken_again(firing, first))


async def test_an_earlier_run_that_never_begins_is_not_waited_for(firing: Firing):
    first, second = await runs_of_a_job(firing, 2)
    assert not await begins(firing, second)
    await cancel_run(CancelRun(caller=firing.caller, run_id=first.id, now=LATER), firing.shards)
    assert await firing.pass_overlap_locks() == [second.id]
    assert await begins(firing, await taken_again(firing, second))


async def test_a_run_that_is_retried_later_than_others_are_due_goes_first(firing: Firing):
    first, second = await runs_of_a_job(firing, 2)
    assert await begins(firing, first, by=OTHER_WORKER)
    await firing.finish(failed(first, by=OTHER_WORKER))
    assert not await begins(firing, second)
    assert await firing.pass_overlap_locks() == []
    assert (await firing.next_attempt(first)).number == 2


async def test_a_late_run_goes_before_one_that_had_to_wait_for_another(firing: Firing):
    holder, first, second = await runs_of_a_job(firing, 3)
    assert await begins(firing, holder, by=OTHER_WORKER)
    assert not await begins(firing, second)
    await firing.finish(succeeded(holder, by=OTHER_WORKER))
    assert await firing.pass_overlap_locks() == []
    assert await begins(firing, first)


@pytest.mark.parametrize("overlap", [one for one in Overlap if one is not Overlap.BUFFER_ALL])
async def test_runs_of_other_policies_do_not_ask_who_is_on_the_way(
    firing: Firing, overlap: Overlap
):
    job = await firing.job(at=NOON + DAY, overlap=overlap)
    await firing.triggered(job.id, by=OTHER_WORKER)
    second = await firing.triggered(job.id, by=WORKER, now=LATER + SECOND)
    assert await begins(firing, second)
