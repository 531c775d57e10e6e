"""Takes wait while a worker process is full, but not all of its threads do."""

from __future__ import annotations

import asyncio

from storage.queue.broker import BATCH_SIZE
from workers.worker.backpressure import Backpressure, MemoryBudget
from workers.worker.config import DEFAULTS, WorkerConfig

MAY_WAIT = DEFAULTS.most_waiting_takes


class Full:
    """A process whose queue has room for one message, and a run in it."""

    def __init__(self) -> None:
        self.queue = ["a run"]
        config = WorkerConfig(queue_capacity=BATCH_SIZE)
        self.backpressure = Backpressure(self.queue, MemoryBudget(), config)

    def take(self) -> asyncio.Task[bool]:
        return asyncio.create_task(self.backpressure.wait_for_room())


async def test_with_room_nobody_waits():
    process = Full()
    process.queue.clear()
    assert await process.take()


async def test_without_room_some_wait_and_further_ones_are_sent_back():
    process = Full()
    waiting = [process.take() for _ in range(MAY_WAIT)]
    await asyncio.sleep(0)
    assert not await process.take()
    assert not any(task.done() for task in waiting)
    process.queue.clear()
    process.backpressure.notify()
    assert await asyncio.gather(*waiting) == [True] * MAY_WAIT


async def test_when_it_closes_whoever_waits_is_sent_away():
    process = Full()
    waiting = process.take()
    await asyncio.sleep(0)
    process.backpressure.close()
    assert not await waiting
    assert not await process.take()
