"""Who brings runs to a full ringer waits, but not all threads of a process do."""

from __future__ import annotations

import asyncio

from workers.worker.backpressure import MAY_WAIT, Room


class Places:
    def __init__(self) -> None:
        self.free = False
        self.room = Room(lambda: self.free)

    def take(self) -> asyncio.Task[bool]:
        return asyncio.create_task(self.room.found())


async def test_with_room_nobody_waits():
    places = Places()
    places.free = True
    assert await places.take()


async def test_without_room_some_wait_and_further_ones_are_sent_back():
    places = Places()
    waiting = [places.take() for _ in range(MAY_WAIT)]
    await asyncio.sleep(0)
    assert not await places.take()
    assert not any(task.done() for task in waiting)
    places.free = True
    places.room.tell()
    assert await asyncio.gather(*waiting) == [True] * MAY_WAIT


async def test_when_it_closes_whoever_waits_is_sent_away():
    places = Places()
    waiting = places.take()
    await asyncio.sleep(0)
    places.room.close()
    assert not await waiting
    assert not await places.take()
