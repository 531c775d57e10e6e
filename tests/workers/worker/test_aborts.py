"""Attempts of runs that were asked to end are cut off, and nothing is recorded twice."""

from __future__ import annotations

import asyncio
from functools import partial
from uuid import UUID

import pytest

from commands.firing.finish_attempts import EndedAttempt
from commands.runs.cancel_runs import CancelRun, cancel_run
from domain.policies.overlap import Overlap
from storage.queue.broker import RunKey
from tests.commands.firing import OTHER_WORKER, WORKER, Firing
from tests.storage.eventually import eventually
from tests.workers.ringing import Bell, due_in, now, state_of
from workers.worker.config import WorkerConfig
from workers.worker.recorder import Recorder
from workers.worker.ringer import Ringer
from workers.worker.watches.aborts import AbortWatch


@pytest.fixture
def watch(firing: Firing, ringer: Ringer) -> AbortWatch:
    """Looks when it is told to."""
    return AbortWatch(firing.shard, WORKER, ringer)


async def ringing(firing: Firing, ringer: Ringer, bell: Bell) -> RunKey:
    """A run whose attempt goes on until it is cut off."""
    bell.keep_ringing()
    _, key = await due_in(firing, -1)
    await ringer.intake.take([key])
    await bell.rings(len(bell.rung) + 1)
    return key


async def cancel(firing: Firing, key: RunKey) -> None:
    command = CancelRun(caller=firing.caller, run_id=key[1], now=now())
    await cancel_run(command, firing.shards)


async def forgotten(firing: Firing, watch: AbortWatch, run_id: UUID) -> bool:
    await watch.look()
    row = await firing.run(run_id)
    return not row["abort"] and row["held_by"] is None


async def cut_off(bell: Bell, run_id: UUID) -> bool:
    return run_id in bell.cut_off


async def test_the_attempt_of_a_cancelled_run_is_cut_off_and_recorded_once(
    firing: Firing, ringer: Ringer, bell: Bell, watch: AbortWatch
):
    key = await ringing(firing, ringer, bell)
    await cancel(firing, key)
    before = await firing.rows("SELECT * FROM attempts WHERE run_id = $1", key[1])
    await eventually(partial(forgotten, firing, watch, key[1]), what="the abort is forgotten")
    assert bell.cut_off == [key[1]]
    assert not ringer.owned.has_attempt(key[1])
    assert await state_of(firing, key) == "cancelled"
    assert await firing.rows("SELECT * FROM attempts WHERE run_id = $1", key[1]) == before
    assert await firing.outcomes(key[1]) == ["abandoned"]


async def test_a_run_whose_place_another_takes_is_cut_off_and_the_other_has_its_turn(
    firing: Firing, ringer: Ringer, bell: Bell, watch: AbortWatch
):
    key = await ringing(firing, ringer, bell)
    job_id = (await firing.run(key[1]))["job_id"]
    waiting = await firing.buffered(job_id, Overlap.CANCEL_OTHER, now=now())
    await watch.look()
    await eventually(partial(is_over, firing, key))
    row = await firing.run(key[1])
    assert (row["state"], row["abort"], row["held_by"]) == ("cancelled", False, None)
    ((error,),) = await firing.rows("SELECT error FROM attempts WHERE run_id = $1", key[1])
    assert error == "The run was asked to end."
    assert await firing.pass_overlap_locks() == [waiting.id]


async def is_over(firing: Firing, key: RunKey) -> bool:
    return not (await firing.run(key[1]))["open"]


async def test_others_ring_on(firing: Firing, ringer: Ringer, bell: Bell, watch: AbortWatch):
    keys = [await ringing(firing, ringer, bell) for _ in range(3)]
    await cancel(firing, keys[1])
    await eventually(partial(forgotten, firing, watch, keys[1][1]))
    bell.silence()
    for key in (keys[0], keys[2]):
        await eventually(partial(is_over, firing, key))
        assert await state_of(firing, key) == "succeeded"
    assert bell.cut_off == [keys[1][1]]


async def test_a_cut_off_attempt_makes_room_for_another(
    firing: Firing, ringer: Ringer, bell: Bell, watch: AbortWatch
):
    keys = [await ringing(firing, ringer, bell) for _ in range(8)]  # as many as the ringer rings
    _, next_one = await due_in(firing, -1)
    await ringer.intake.take([next_one])
    assert await state_of(firing, next_one) == "queued"
    await cancel(firing, keys[0])
    await watch.look()
    await bell.rings(9)
    assert bell.rung[-1][0].id == next_one[1]


async def test_another_workers_runs_are_no_concern(
    firing: Firing, ringer: Ringer, bell: Bell, watch: AbortWatch
):
    run = await firing.running_run(OTHER_WORKER)
    await cancel(firing, (run.service_id, run.id))
    await watch.look()
    row = await firing.run(run.id)
    assert (row["abort"], row["held_by"]) == (True, OTHER_WORKER)


async def test_an_attempt_that_ended_by_then_is_recorded_as_it_ended(  # noqa: PLR0917
    firing: Firing,
    ringer: Ringer,
    bell: Bell,
    recorder: Recorder,
    watch: AbortWatch,
    monkeypatch: pytest.MonkeyPatch,
):
    key = await ringing(firing, ringer, bell)
    ended, may_record = asyncio.Event(), asyncio.Event()
    record = recorder.record

    async def record_later(attempt: EndedAttempt) -> None:
        ended.set()
        await may_record.wait()
        await record(attempt)

    monkeypatch.setattr(recorder, "record", record_later)
    bell.silence()
    async with asyncio.timeout(10):
        await ended.wait()
    await firing.rows("UPDATE runs SET abort = true WHERE id = $1", key[1])
    await watch.look()
    assert ringer.owned.has_attempt(key[1])
    may_record.set()
    await eventually(partial(is_over, firing, key))
    assert await state_of(firing, key) == "succeeded"
    assert await firing.outcomes(key[1]) == ["succeeded"]
    assert bell.cut_off == []


async def test_a_notice_is_enough(
    firing: Firing,
    ringer: Ringer,
    bell: Bell,
):
    watch = AbortWatch(firing.shard, WORKER, ringer, WorkerConfig(abort_poll_seconds=3_600))
    key = await ringing(firing, ringer, bell)
    watching = asyncio.create_task(watch.run())
    await eventually(partial(listens, firing))
    await cancel(firing, key)
    await eventually(partial(cut_off, bell, key[1]))
    watching.cancel()
    await asyncio.wait([watching])


async def listens(firing: Firing) -> bool:
    rows = await firing.rows(
        "SELECT FROM pg_stat_activity WHERE query LIKE 'LISTEN %abort%'"
        " AND state = 'idle' AND datname = current_database()"
    )
    return bool(rows)


async def test_a_lost_notice_costs_a_look(
    firing: Firing,
    ringer: Ringer,
    bell: Bell,
    monkeypatch: pytest.MonkeyPatch,
):
    async def deaf(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("workers.worker.watches.aborts.listen", deaf)
    watch = AbortWatch(firing.shard, WORKER, ringer, WorkerConfig(abort_poll_seconds=0.05))
    key = await ringing(firing, ringer, bell)
    watching = asyncio.create_task(watch.run())
    await cancel(firing, key)
    await eventually(partial(cut_off, bell, key[1]))
    watching.cancel()
    await asyncio.wait([watching])


async def test_a_ringer_that_stops_does_not_wait_for_what_is_cut_off(
    firing: Firing, ringer: Ringer, bell: Bell, watch: AbortWatch
):
    key = await ringing(firing, ringer, bell)
    stopping = asyncio.create_task(ringer.stop())
    await cancel(firing, key)
    await watch.look()
    async with asyncio.timeout(10):
        assert await stopping == []
