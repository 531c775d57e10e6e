"""What a run waits because of its own overlap policy is told apart from how late it is."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from commands.firing.finish_attempts import EndedAttempt
from commands.firing.take_runs import TakenRun
from domain.policies.overlap import Overlap
from queries.runs.get_run import GetRun, get_run
from queries.stats.get_stats import GetJobStats, get_job_stats
from storage.runs.oldest_claimable import oldest_untaken
from tests.commands.ended_runs import EVER, fold, waiting
from tests.commands.firing import LATER, OTHER_WORKER, SECOND, Firing, failed, succeeded

FREED = LATER + 30 * SECOND
STARTED = FREED + timedelta(milliseconds=40)


def ends(run: TakenRun, at: object = FREED) -> EndedAttempt:
    return msgspec.structs.replace(succeeded(run), finished_at=at)


async def begun(firing: Firing, run: TakenRun) -> TakenRun:
    """The run, taken and begun once its turn has come."""
    (taken,) = await firing.take((run.service_id, run.id), by=OTHER_WORKER, until=STARTED)
    assert await firing.start(taken, by=OTHER_WORKER, now=STARTED) == {run.id}
    return taken


@pytest.mark.parametrize("policy", [Overlap.BUFFER_ONE, Overlap.BUFFER_ALL])
async def test_the_wait_ends_with_the_run_before_and_the_rest_is_lateness(
    firing: Firing, policy: Overlap
):
    holder = await firing.running_run(overlap=policy)
    run = await firing.buffered(holder.job_id, policy)
    await firing.finish(ends(holder))
    assert await firing.pass_overlap_locks() == [run.id]
    taken = await begun(firing, run)
    assert taken.overlap_wait == 30.0
    assert taken.seconds_late(STARTED) == pytest.approx(0.04)
    query = GetRun(caller=firing.caller, run_id=run.id, now=STARTED)
    ringing, _ = await get_run(query, firing.shards)
    attempt = msgspec.structs.replace(
        succeeded(taken, by=OTHER_WORKER), started_at=STARTED, finished_at=STARTED + SECOND
    )
    await firing.finish(attempt)
    ended, _ = await get_run(query, firing.shards)
    for told in (ringing, ended):
        assert told.started_at == STARTED
        assert (told.overlap_wait_ms, told.lateness_ms) == (30_000, pytest.approx(40))

    assert [event["overlap_wait_ms"] for event in await waiting(firing)] == [[None], [30_000]]
    await fold(firing)
    stats = await get_job_stats(
        GetJobStats(caller=firing.caller, job_id=run.job_id, start=EVER[0], end=EVER[1]),
        firing.shards,
    )
    assert stats.overlap_wait is not None
    assert stats.lateness is not None
    assert (stats.overlap_wait.max, stats.overlap_wait.p50) == (30_000, pytest.approx(30_000, 0.01))
    assert stats.lateness.max == pytest.approx(40)


async def test_what_is_alerted_counts_from_when_the_turn_had_come(firing: Firing):
    holder = await firing.running_run()
    run = await firing.buffered(holder.job_id)
    await firing.finish(ends(holder))
    await firing.pass_overlap_locks()
    async with firing.database.reading() as driver:
        assert await oldest_untaken(driver, FREED + SECOND) == FREED
    (taken,) = await firing.take((run.service_id, run.id), until=STARTED)
    assert taken.ready_at == FREED


async def test_of_several_each_waits_for_the_one_before(firing: Firing):
    holder = await firing.running_run(overlap=Overlap.BUFFER_ALL)
    first, second = [await firing.buffered(holder.job_id) for _ in range(2)]
    await firing.finish(ends(holder))
    await firing.pass_overlap_locks()
    taken = await begun(firing, first)
    end = STARTED + 5 * SECOND
    await firing.finish(msgspec.structs.replace(succeeded(taken, by=OTHER_WORKER), finished_at=end))
    assert await firing.pass_overlap_locks() == [second.id]
    waited = (await firing.run(second.id))["overlap_wait_ms"]
    assert waited == pytest.approx((end - LATER) / SECOND * 1_000)


async def test_a_turn_that_was_free_before_the_run_was_due_is_no_wait(firing: Firing):
    holder = await firing.running_run()
    run = await firing.buffered(holder.job_id)
    await firing.finish(succeeded(holder))  # recorded late: it ended before the other was due
    await firing.pass_overlap_locks()
    taken = await begun(firing, run)
    assert taken.overlap_wait == 0
    assert taken.seconds_late(STARTED) == (STARTED - LATER) / SECOND


async def test_a_run_that_did_not_wait_tells_none_and_a_retry_is_not_measured_by_it(
    firing: Firing,
):
    holder = await firing.running_run(overlap=Overlap.BUFFER_ALL)
    assert (await firing.run(holder.id))["overlap_wait_ms"] is None
    run = await firing.buffered(holder.job_id)
    await firing.finish(ends(holder))
    await firing.pass_overlap_locks()
    taken = await begun(firing, run)
    attempt = msgspec.structs.replace(failed(taken, by=OTHER_WORKER), started_at=STARTED)
    await firing.finish(attempt)
    again = await firing.next_attempt(run)
    assert again.overlap_wait == 0
    row = await firing.run(run.id)
    assert (row["overlap_wait_ms"], row["lateness_ms"]) == (30_000, pytest.approx(40))
