"""A dispatcher that was away: what is on time first, what is late as workers can take it."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from storage.queue.broker import BATCH_SIZE
from tests.commands.firing import DUE, NOON, SECOND, Firing
from workers.dispatcher.config import DEFAULTS
from workers.dispatcher.process import Dispatcher

OUTAGE = timedelta(hours=1)


@pytest.fixture
def dispatcher(firing: Firing) -> Dispatcher:
    return Dispatcher(firing.shard, uuid4(), most_offset=None)


async def test_what_is_late_is_left_to_the_lane_of_its_own(firing: Firing, dispatcher: Dispatcher):
    late = await firing.job(every=60 * SECOND, now=NOON - OUTAGE)
    on_time = await firing.job()
    await dispatcher.claim(NOON)
    assert await firing.runs(late.id) == []
    assert len(await firing.runs(on_time.id)) == 1
    await dispatcher.catch_up(NOON)
    assert len(await firing.runs(late.id)) == 61


async def test_while_messages_wait_nothing_late_is_claimed(firing: Firing, dispatcher: Dispatcher):
    late = await firing.job(every=60 * SECOND, now=NOON - OUTAGE)
    waiting = [(uuid4(), uuid4())] * (BATCH_SIZE * (DEFAULTS.catch_up_depth + 1))
    await firing.shard.queue.dispatch(waiting)
    assert not await dispatcher.catch_up(NOON)
    assert await firing.runs(late.id) == []


async def test_what_is_late_is_handed_over_at_once(firing: Firing, dispatcher: Dispatcher):
    await firing.job(at=DUE, now=NOON)
    late_by = DUE + 30 * SECOND
    await dispatcher.catch_up(late_by)
    await dispatcher.dispatch(late_by)
    assert await firing.shard.queue.depth() == 1
