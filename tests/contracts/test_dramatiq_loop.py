"""What we rely on in Dramatiq: an event loop that runs already serves its async actors."""

from __future__ import annotations

import asyncio

import dramatiq
import pytest
from dramatiq.asyncio import set_event_loop_thread
from dramatiq.brokers.stub import StubBroker

from workers.worker.lifecycle import _RunningLoop


async def _loop_of_actor() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


async def _fails() -> None:
    raise TimeoutError("of the actor")


async def test_an_async_actor_runs_on_our_loop_and_its_thread_gets_the_end() -> None:
    broker = StubBroker(middleware=[])
    actor = dramatiq.actor(actor_name="where", broker=broker)(_loop_of_actor)
    failing = dramatiq.actor(actor_name="fails", broker=broker)(_fails)
    set_event_loop_thread(_RunningLoop(asyncio.get_running_loop()))
    try:
        assert await asyncio.to_thread(actor.fn) is asyncio.get_running_loop()
        with pytest.raises(TimeoutError, match="of the actor"):
            await asyncio.to_thread(failing.fn)
    finally:
        set_event_loop_thread(None)
