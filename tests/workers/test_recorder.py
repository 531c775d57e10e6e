"""Ended attempts are written in batches, and none is held up by another."""

from __future__ import annotations

import asyncio

import msgspec

from tests.commands.firing import Firing, failed, succeeded
from workers.recorder import Recorder


async def test_an_attempt_is_in_postgres_when_record_returns(firing: Firing, recorder: Recorder):
    runs = [await firing.running_run() for _ in range(10)]
    await asyncio.gather(*(recorder.record(succeeded(run)) for run in runs))
    for run in runs:
        assert (await firing.run(run.id))["state"] == "succeeded"


async def test_an_attempt_that_was_superseded_is_let_go(firing: Firing, recorder: Recorder):
    run = await firing.retrying_run()
    async with asyncio.timeout(10):
        await recorder.record(succeeded(run))
    assert (await firing.run(run.id))["state"] == "retrying"
    assert await firing.outcomes(run.id) == ["failed"]


async def test_an_attempt_that_cannot_be_written_does_not_hold_up_the_others(
    firing: Firing, recorder: Recorder
):
    bad, good = await firing.running_run(), await firing.running_run()
    unwritable = msgspec.structs.replace(failed(bad), error="\udcff")
    stuck = asyncio.create_task(recorder.record(unwritable))
    try:
        async with asyncio.timeout(20):
            await recorder.record(succeeded(good))
    finally:
        stuck.cancel()
        await asyncio.wait([stuck])
    assert (await firing.run(good.id))["state"] == "succeeded"
