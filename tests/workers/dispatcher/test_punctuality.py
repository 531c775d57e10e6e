"""No run rings before it is due, on the very event loop that worker processes run on."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
import uvloop

from commands.keys.bootstrap_key import BootstrapKey, bootstrap_key
from domain.access.caller import Caller
from domain.access.keys import service_of
from storage.shards import Shards
from storage.urls import ShardUrls
from tests.commands.firing import WORKER, Firing
from tests.workers.ringing import Bell, due_in, now
from workers.worker.recorder import Recorder
from workers.worker.ringer import Ringer

RUNS = 20


async def too_early(urls: ShardUrls) -> list[timedelta]:
    """Ring some runs, and tell by how much each was too early."""
    shards, bell = Shards(urls), Bell()
    key = await bootstrap_key(BootstrapKey(service_name=f"test-{uuid4()}", now=now()), shards)
    service_id = service_of(key)
    assert service_id is not None
    firing = Firing(shards, Caller(service_id=service_id, principal="key:x", request_id="x"))
    recorder = Recorder(firing.shard)
    ringer = Ringer(firing.shard, WORKER, bell.ring, recorder)
    working = [asyncio.create_task(work()) for work in (ringer.run, recorder.run)]
    await ringer.intake.take([(await due_in(firing, 0.5 + n * 0.0123))[1] for n in range(RUNS)])
    await bell.rings(RUNS)
    await ringer.stop()
    for task in working:
        task.cancel()
    await asyncio.wait(working)
    await shards.close()
    return [run.due_at - started_at for run, started_at in bell.rung if started_at < run.due_at]


@pytest.mark.promise("never early")
def test_no_run_rings_a_fraction_of_a_millisecond_early(shards: Shards, commands_urls: ShardUrls):
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(too_early(commands_urls)) == []
