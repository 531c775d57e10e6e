"""The dispatcher claims ahead and hands over shortly before."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from dramatiq import BrokerError
from redis.exceptions import RedisError

from app.embedded.ports import free_port
from commands.jobs.trigger_job import TriggerJob, trigger_job
from commands.keys.bootstrap_key import BootstrapKey, bootstrap_key
from domain.access.caller import Caller
from domain.access.keys import service_of
from domain.ids import run_id
from storage.postgres.clock_offset import ClockAhead
from storage.queue.broker import FEW, MAX_DEPTH
from storage.shards import LOOK_AHEAD, Shard
from storage.urls import ShardUrls
from tests.commands.firing import DUE, NOON, SECOND, Firing
from tests.commands.messages import waiting_messages
from workers.dispatcher.config import DEFAULTS
from workers.dispatcher.process import Dispatcher

LEAD = DEFAULTS.lead


@pytest.fixture
def dispatcher(firing: Firing) -> Dispatcher:
    return Dispatcher(firing.shard, uuid4(), most_offset=None)


async def test_a_run_is_handed_over_at_its_lead_and_not_before(
    firing: Firing, dispatcher: Dispatcher
):
    job = await firing.job()
    await dispatcher.claim(NOON)
    await dispatcher.dispatch(DUE - LEAD - SECOND / 1_000)
    assert waiting_messages(firing.shards) == []
    await dispatcher.dispatch(DUE - LEAD)
    assert waiting_messages(firing.shards) == [(firing.caller.service_id, run_id(job.id, DUE))]
    await dispatcher.dispatch(DUE)
    assert waiting_messages(firing.shards) == []


async def test_what_is_due_beyond_the_look_ahead_is_not_claimed(
    firing: Firing, dispatcher: Dispatcher
):
    job = await firing.job(at=NOON + LOOK_AHEAD + SECOND)
    await dispatcher.claim(NOON)
    assert await firing.runs(job.id) == []
    await dispatcher.claim(NOON + SECOND)
    assert len(await firing.runs(job.id)) == 1


@pytest.mark.promise("instants near now")
async def test_a_claim_from_later_than_now_is_refused_and_changes_nothing(firing: Firing):
    now = datetime.now(UTC)
    job = await firing.job(now=now, at=now + 3 * SECOND)
    dispatcher = Dispatcher(firing.shard, uuid4())
    for claim in (dispatcher.claim, dispatcher.catch_up):
        with pytest.raises(ClockAhead):
            await claim(now + 120 * SECOND)
    assert await firing.runs(job.id) == []
    await dispatcher.claim(now)
    assert len(await firing.runs(job.id)) == 1


async def test_runs_are_handed_over_in_the_order_in_which_they_are_due(
    firing: Firing, dispatcher: Dispatcher
):
    await firing.job(every=SECOND)
    await dispatcher.claim(NOON)
    await dispatcher.dispatch(NOON + 4 * SECOND - LEAD)
    handed_over = [(await firing.run(run))["due_at"] for _, run in waiting_messages(firing.shards)]
    assert handed_over == [NOON + n * SECOND for n in range(5)]


async def test_a_flood_of_one_service_delays_another_by_one_run_only(
    firing: Firing, dispatcher: Dispatcher
):
    for _ in range(20):
        await firing.job()
    neighbour = await other_service(firing)
    await neighbour.job()
    other = neighbour.caller.service_id
    await dispatcher.claim(NOON)
    await dispatcher.dispatch(DUE)
    services = [service for service, _ in waiting_messages(firing.shards)]
    assert len(services) == 21
    assert other in services[:2]


async def test_what_redis_does_not_take_is_kept_and_sent_when_it_is_back(firing: Firing):
    urls = firing.shard.urls
    away = Shard(
        ShardUrls(primary=urls.primary, replicas=(), redis=f"redis://127.0.0.1:{free_port()}")
    )
    dispatcher = Dispatcher(away, uuid4(), most_offset=None)
    job = await firing.job()
    await dispatcher.claim(NOON)
    for _ in range(2):
        with pytest.raises((RedisError, BrokerError)):
            await dispatcher.dispatch(DUE)
    away.queue = firing.shard.queue
    await dispatcher.dispatch(DUE)
    assert waiting_messages(firing.shards) == [(firing.caller.service_id, run_id(job.id, DUE))]
    await away.database.close()
    await away.redis.close()


async def test_a_dispatcher_that_stops_hands_over_what_it_holds(
    firing: Firing, dispatcher: Dispatcher
):
    job = await firing.job()
    await dispatcher.claim(NOON)
    await dispatcher.stop()
    assert waiting_messages(firing.shards) == [(firing.caller.service_id, run_id(job.id, DUE))]
    await dispatcher.dispatch(DUE)
    assert waiting_messages(firing.shards) == []


async def other_service(firing: Firing) -> Firing:
    key = await bootstrap_key(BootstrapKey(service_name=f"test-{uuid4()}", now=NOON), firing.shards)
    service_id = service_of(key)
    assert service_id is not None
    caller = Caller(service_id=service_id, principal="key:other", request_id="test")
    return Firing(firing.shards, caller)


async def test_the_claim_after_a_full_one_leaves_another_its_run(
    firing: Firing, dispatcher: Dispatcher, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("commands.firing.claims.claim_runs.JOBS_AT_ONCE", 5)
    for n in range(20):
        await firing.job(at=DUE - n * SECOND / 1_000)
    other = await other_service(firing)
    await other.job()
    assert await dispatcher.claim(NOON)
    assert dispatcher._buffer.by_service == {firing.caller.service_id: 5}
    assert await dispatcher.claim(NOON)
    assert dispatcher._buffer.by_service == {
        firing.caller.service_id: 9,
        other.caller.service_id: 1,
    }


async def test_of_a_flood_no_more_waits_in_the_queue_than_is_picked_up_soon(
    firing: Firing, dispatcher: Dispatcher
):
    firing.shard.queue.batch_size = 2
    size, waiting = FEW + 4 * MAX_DEPTH, 2 * MAX_DEPTH
    for _ in range(size):
        await firing.job()
    await dispatcher.claim(NOON)
    for _ in range(3):
        await dispatcher.dispatch(DUE)
    assert await firing.shard.queue.depth() == MAX_DEPTH
    assert len(dispatcher._buffer) == size - waiting
    assert len(waiting_messages(firing.shards)) == waiting
    await dispatcher.dispatch(DUE)
    assert len(waiting_messages(firing.shards)) == waiting
    assert waiting_messages(firing.shards, ahead=True) == []


async def test_who_has_few_runs_due_passes_by_a_flood(firing: Firing, dispatcher: Dispatcher):
    firing.shard.queue.batch_size = 2
    for _ in range(FEW + 2 * MAX_DEPTH + 2):
        await firing.job()
    await dispatcher.claim(NOON)
    await dispatcher.dispatch(DUE)
    other = await other_service(firing)
    job = await other.job()
    await dispatcher.claim(NOON)
    await dispatcher.dispatch(DUE)
    mine = (other.caller.service_id, run_id(job.id, DUE))
    assert waiting_messages(firing.shards, ahead=True) == [mine]
    assert mine not in waiting_messages(firing.shards)


async def test_a_run_triggered_while_messages_wait_passes_them_by(firing: Firing):
    job = await firing.job(at=DUE + 3_600 * SECOND)
    key = (firing.caller.service_id, uuid4())
    for _ in range(MAX_DEPTH):
        await firing.shard.queue.dispatch([key])
    command = TriggerJob(caller=firing.caller, job_id=job.id, now=NOON)
    run = await trigger_job(command, firing.shards)
    assert waiting_messages(firing.shards, ahead=True) == [(firing.caller.service_id, run.id)]
    assert set(waiting_messages(firing.shards)) == {key}


async def test_while_a_worker_has_messages_in_hand_who_has_few_runs_passes_them_by(
    firing: Firing, dispatcher: Dispatcher
):
    await firing.shard.queue.dispatch([(firing.caller.service_id, uuid4())])
    await dispatcher._sweep.resend(NOON)
    job = await firing.job()
    await dispatcher.claim(NOON)
    await dispatcher.dispatch(DUE)
    mine = (firing.caller.service_id, run_id(job.id, DUE))
    assert waiting_messages(firing.shards, ahead=True) == [mine]
    waiting_messages(firing.shards)
    await dispatcher._sweep.resend(NOON)
    other = await firing.job()
    await dispatcher.claim(NOON)
    await dispatcher.dispatch(DUE)
    assert waiting_messages(firing.shards) == [(firing.caller.service_id, run_id(other.id, DUE))]
