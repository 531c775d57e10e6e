"""Ended attempts are written in batches, and none is held up by another."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from uuid import UUID

import msgspec
import pytest

from domain.policies.overlap import Overlap
from storage.postgres.pools import Database
from storage.queue.broker import RunKey
from tests.commands.firing import WORKER, Firing, failed, succeeded
from tests.storage.eventually import eventually
from workers.worker.overlap import OverlapResolver
from workers.worker.recorder import Recorder


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


async def test_what_waits_for_a_turn_does_not_hold_up_what_ended(
    firing: Firing, monkeypatch: pytest.MonkeyPatch
):
    """To pass turns on asks Redis, too: where that hangs, its time-outs would add up."""
    told: list[Collection[tuple[UUID, UUID]]] = []
    goes_on = asyncio.Event()

    async def hanging(_: Database, jobs: Collection[tuple[UUID, UUID]]) -> list[RunKey]:
        told.append(jobs)
        await goes_on.wait()
        return []

    monkeypatch.setattr("workers.worker.overlap.pass_overlap_locks", hanging)
    recorder = Recorder(firing.shard, overlap=OverlapResolver(firing.shard, WORKER))
    working = asyncio.create_task(recorder.run())
    runs = [await firing.running_run(overlap=Overlap.BUFFER_ALL) for _ in range(3)]
    await firing.rows("UPDATE turns SET contended = true")
    async with asyncio.timeout(10):
        for run in runs:
            await recorder.record(succeeded(run))
    assert [set(jobs) for jobs in told] == [{(runs[0].service_id, runs[0].job_id)}]
    goes_on.set()
    await eventually(lambda: asyncio.sleep(0, len(told) == 2), what="the others are told of")
    assert set(told[1]) == {(run.service_id, run.job_id) for run in runs[1:]}
    working.cancel()
    await asyncio.wait([working])
