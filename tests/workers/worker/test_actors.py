"""Messages with runs reach the intake, also those of processes of an older version."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import cast
from uuid import UUID, uuid4

import dramatiq
import pytest
from dramatiq import Message
from dramatiq.brokers.redis import RedisBroker
from periodiq import PeriodiqMiddleware

from storage.queue.broker import (
    HOUSEKEEPING_QUEUE,
    RING_ACTOR,
    RING_AHEAD_ACTOR,
    RUNS_QUEUE,
    URGENT_QUEUE,
    RunKey,
    make_broker,
)
from storage.shards import Shards
from workers.heartbeat import Heartbeat
from workers.housekeeping.actors import declare_housekeeping
from workers.housekeeping.sweep import Sweep
from workers.worker.actors import declare_ringing
from workers.worker.intake import Intake
from workers.worker.lifecycle import Lifecycle


class Taking:
    """An intake that only notes what it is to take."""

    def __init__(self) -> None:
        self.taken: asyncio.Queue[tuple[UUID, bool]] = asyncio.Queue()

    async def take(self, runs: list[RunKey], *, ahead: bool = False) -> list[RunKey]:
        for _, run_id in runs:
            self.taken.put_nowait((run_id, ahead))
        return []


@pytest.fixture
def taking() -> Taking:
    return Taking()


@pytest.fixture
async def broker(quiet: Shards, heartbeat: Heartbeat, taking: Taking) -> AsyncIterator[RedisBroker]:
    """The broker of a worker process whose threads take messages."""
    shard = quiet.all()[0]
    made = make_broker(shard.urls.redis, [PeriodiqMiddleware(skip_delay=30)])
    declare_ringing(made)
    declare_housekeeping(made)
    sweep, loop = Sweep(shard, heartbeat), asyncio.get_running_loop()
    made.add_middleware(Lifecycle(loop, shard, cast("Intake", taking), sweep, timedelta(days=1)))
    threads = dramatiq.Worker(made, worker_threads=2, worker_timeout=100)
    threads.start()
    yield made
    await asyncio.to_thread(threads.stop)
    made.close()


async def test_runs_are_taken_from_their_queue_urgent_ones_from_that_and_the_one_before(
    broker: RedisBroker, taking: Taking
):
    sent: set[tuple[UUID, bool]] = set()
    for queue_name, actor_name in (
        (RUNS_QUEUE, RING_ACTOR),
        (URGENT_QUEUE, RING_AHEAD_ACTOR),
        (HOUSEKEEPING_QUEUE, RING_AHEAD_ACTOR),
    ):
        run_id = uuid4()
        runs = [[str(uuid4()), str(run_id)]]
        message: Message[None] = Message(
            queue_name=queue_name, actor_name=actor_name, args=(runs,), kwargs={}, options={}
        )
        await asyncio.to_thread(broker.enqueue, message)
        sent.add((run_id, actor_name == RING_AHEAD_ACTOR))
    async with asyncio.timeout(10):
        assert {await taking.taken.get() for _ in sent} == sent
