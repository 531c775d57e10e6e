"""What was lost on the way is found again, and what was not lost is left alone."""

from __future__ import annotations

import pytest
from cachetools import TTLCache

from tests.commands.firing import DUE, OTHER_WORKER, SECOND, Firing
from tests.commands.messages import waiting_messages
from tests.workers.stepped_clocks import SteppedClocks
from workers.heartbeat import LAPSE, Heartbeat
from workers.housekeeping.sweep import BACKLOG_GRACE, GRACE, RESEND_SECONDS, Sweep

LATE = DUE + 60 * SECOND
TICK = SECOND / 1_000_000


@pytest.fixture
def sweep(firing: Firing, heartbeat: Heartbeat) -> Sweep:
    return Sweep(firing.shard, heartbeat)


async def steady(heartbeat: Heartbeat, clocks: SteppedClocks) -> None:
    """Beat without a gap for longer than it takes to judge others."""
    for _ in range(LAPSE // SECOND + 2):
        await heartbeat.beat()
        clocks.advance(SECOND)


@pytest.mark.promise("lost messages")
async def test_a_run_whose_message_was_lost_is_handed_over_again(firing: Firing, sweep: Sweep):
    run = await firing.scheduled_run()
    assert await sweep.resend(LATE) == 1
    assert waiting_messages(firing.shards) == [run]


async def test_a_lost_run_is_sent_once_per_interval_until_it_is_taken(firing: Firing, sweep: Sweep):
    seconds = 0.0
    sweep._resent = TTLCache(maxsize=10, ttl=sweep._resent.ttl, timer=lambda: seconds)
    run = await firing.scheduled_run()
    assert [await sweep.resend(LATE) for _ in range(3)] == [1, 0, 0]
    seconds = RESEND_SECONDS - 0.1
    assert await sweep.resend(LATE) == 0
    seconds = RESEND_SECONDS
    assert await sweep.resend(LATE) == 1
    assert waiting_messages(firing.shards) == [run, run]
    await firing.take(run)
    seconds = 2 * RESEND_SECONDS
    assert await sweep.resend(LATE) == 0


async def test_a_run_is_given_its_grace_before_it_counts_as_lost(firing: Firing, sweep: Sweep):
    await firing.scheduled_run()
    assert await sweep.resend(DUE + GRACE) == 0
    assert await sweep.resend(DUE + GRACE + TICK) == 1


async def test_while_messages_wait_a_late_run_most_likely_has_one(firing: Firing, sweep: Sweep):
    first = await firing.scheduled_run()
    await firing.shard.queue.dispatch([first])
    assert await sweep.resend(DUE + BACKLOG_GRACE) == 0
    assert await sweep.resend(DUE + BACKLOG_GRACE + TICK) == 1


@pytest.mark.parametrize("stage", ["queued_run", "running_run", "retrying_run"])
async def test_what_is_in_good_hands_is_not_sent(firing: Firing, sweep: Sweep, stage: str):
    await getattr(firing, stage)()
    assert await sweep.resend(LATE + 60 * SECOND) == 0


async def test_a_retry_whose_dispatcher_died_is_sent(firing: Firing, sweep: Sweep):
    run = await firing.retrying_run()
    due_at = (await firing.run(run.id))["due_at"]
    await firing.claim(due_at)
    assert await sweep.resend(due_at + GRACE) == 0
    assert await sweep.resend(due_at + SECOND) == 1
    assert waiting_messages(firing.shards) == [(run.service_id, run.id)]


async def test_runs_of_a_lapsed_worker_are_handed_over(
    firing: Firing, sweep: Sweep, heartbeat: Heartbeat, clocks: SteppedClocks
):
    run = await firing.queued_run(OTHER_WORKER)
    await firing.beat(OTHER_WORKER, ago=LAPSE + TICK)
    await steady(heartbeat, clocks)
    assert await sweep.rescue(LATE) == 1
    assert waiting_messages(firing.shards) == [(run.service_id, run.id)]
    assert (await firing.run(run.id))["state"] == "scheduled"


async def test_runs_of_a_worker_that_beat_just_in_time_are_not_rescued(
    firing: Firing, sweep: Sweep, heartbeat: Heartbeat, clocks: SteppedClocks
):
    run = await firing.queued_run(OTHER_WORKER)
    await steady(heartbeat, clocks)
    await firing.beat(OTHER_WORKER, ago=LAPSE - SECOND)
    assert await sweep.rescue(LATE) == 0
    assert (await firing.run(run.id))["held_by"] == OTHER_WORKER


async def test_who_just_came_back_rescues_nobody(
    firing: Firing, sweep: Sweep, heartbeat: Heartbeat
):
    run = await firing.queued_run(OTHER_WORKER)
    await heartbeat.beat()
    assert await sweep.rescue(LATE) == 0
    assert (await firing.run(run.id))["held_by"] == OTHER_WORKER


async def test_what_this_process_holds_is_not_lost(firing: Firing, heartbeat: Heartbeat):
    run = await firing.scheduled_run()
    other = await firing.scheduled_run()
    sweep = Sweep(firing.shard, heartbeat, {run[1]})
    assert await sweep.resend(LATE) == 1
    assert waiting_messages(firing.shards) == [other]


async def test_while_messages_wait_what_another_that_lives_holds_is_not_lost(
    firing: Firing, sweep: Sweep
):
    await firing.job()
    (run,) = (await firing.claim(by=OTHER_WORKER)).runs
    await firing.shard.queue.dispatch([(run.service_id, run.id)])
    await firing.beat(OTHER_WORKER, kind="dispatcher")
    assert await sweep.resend(LATE) == 0
    await firing.beat(OTHER_WORKER, kind="dispatcher", ago=LAPSE + TICK)
    assert await sweep.resend(LATE) == 1


async def test_a_few_late_runs_in_a_workers_hands_do_not_put_off_the_search(
    firing: Firing, heartbeat: Heartbeat
):
    waiting = [await firing.queued_run() for _ in range(2)]
    await firing.scheduled_run()
    assert waiting[0].due_at == DUE
    sweep = Sweep(firing.shard, heartbeat, many_late=2)
    assert await sweep.resend(LATE - 40 * SECOND) == 0
    sweep = Sweep(firing.shard, heartbeat, many_late=3)
    assert await sweep.resend(LATE - 40 * SECOND) == 1


async def test_while_many_messages_wait_none_is_added(firing: Firing, heartbeat: Heartbeat):
    sweep = Sweep(firing.shard, heartbeat, most_messages=1)
    run = await firing.scheduled_run()
    assert await sweep.resend(LATE) == 1
    sweep._resent.clear()
    assert await sweep.resend(LATE) == 1
    sweep._resent.clear()
    assert await sweep.resend(LATE) == 0
    assert waiting_messages(firing.shards) == [run, run]
