"""The ringer holds runs until they are due and rings each once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

import pytest
from prometheus_client import REGISTRY

from commands.firing.finish_attempts import EndedAttempt
from commands.firing.miss_runs import MissRuns, miss_runs
from commands.firing.take_runs import Taken, TakenRun, TakeRuns, take_runs
from domain.policies.catchup import CatchupPolicy
from domain.policies.retry import RetryPolicy
from domain.runs.run import Outcome
from domain.targets.kinds.http import HttpTarget
from storage.postgres.pools import Database
from storage.queue.broker import RunKey
from storage.shards import LOOK_AHEAD
from tests.commands.changing import Change, delete, pause, update
from tests.commands.firing import ALL_OF_THEM, TARGET, WORKER, Firing
from tests.storage.eventually import eventually
from tests.workers.ringing import Bell, due_in, now, state_of
from workers.targets.answer import Answer
from workers.worker import intake
from workers.worker.recorder import Recorder
from workers.worker.ringer import Ringer

MISSED = {"state": "missed"}


@asynccontextmanager
async def locked(firing: Firing, key: RunKey) -> AsyncIterator[None]:
    """Whoever changes the run must wait."""
    async with firing.database.transaction() as driver:
        await driver.execute("SELECT FROM runs WHERE id = $1 FOR UPDATE", key[1])
        yield


async def waits_for_locks(firing: Firing, number: int) -> bool:
    """Whether so many statements wait for a lock in the tests' database."""
    waiting = await firing.rows(
        "SELECT FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    return len(waiting) == number


async def is_in(firing: Firing, key: RunKey, state: str) -> bool:
    return await state_of(firing, key) == state


async def test_a_run_rings_when_it_is_due_and_not_before(
    firing: Firing, ringer: Ringer, bell: Bell
):
    keys = [(await due_in(firing, seconds))[1] for seconds in (3, 2.8, 2.6, -1)]
    assert await ringer.intake.take(keys) == []
    await bell.rings(4)
    for run, started_at in bell.rung:
        assert started_at >= run.due_at
    rung = [run for run, _ in bell.rung]
    assert rung == sorted(rung, key=lambda run: run.due_at)
    await eventually(partial(is_in, firing, keys[0], "succeeded"))
    row = await firing.run(keys[0][1])
    assert row["lateness_ms"] >= 0
    assert row["started_at"] == bell.rung[-1][1]


async def test_two_takes_of_one_run_ring_it_once(firing: Firing, ringer: Ringer, bell: Bell):
    _, key = await due_in(firing, 2)
    _, last = await due_in(firing, 2.1)
    await asyncio.gather(*(ringer.intake.take([key, last]) for _ in range(3)))
    await bell.rings(2)
    await ringer.intake.take([key, last])
    await eventually(partial(is_in, firing, last, "succeeded"))
    assert [run.id for run, _ in bell.rung] == [key[1], last[1]]
    assert await firing.outcomes(key[1]) == ["succeeded"]


async def test_a_take_that_overtakes_the_begin_of_an_attempt_does_not_ring_it_twice(
    firing: Firing, ringer: Ringer, bell: Bell
):
    bell.keep_ringing()
    _, key = await due_in(firing, 2)
    await ringer.intake.take([key])
    async with locked(firing, key):
        taking = asyncio.create_task(ringer.intake.take([key]))
        await eventually(partial(waits_for_locks, firing, 1))
        await eventually(partial(waits_for_locks, firing, 2), what="the attempt is begun")
    assert await taking == []
    _, last = await due_in(firing, 0)
    await ringer.intake.take([last])
    await bell.rings(2)
    assert [run.id for run, _ in bell.rung] == [key[1], last[1]]


async def test_a_message_for_a_run_that_rings_here_does_not_ring_it_again(
    firing: Firing, ringer: Ringer, bell: Bell
):
    bell.keep_ringing()
    _, key = await due_in(firing, -1)
    await ringer.intake.take([key])
    await bell.rings(1)
    await ringer.intake.take([key])
    _, later = await due_in(firing, -1)
    await ringer.intake.take([later])
    await bell.rings(2)
    assert [run.id for run, _ in bell.rung] == [key[1], later[1]]


@pytest.mark.parametrize("change", [pause, delete])
async def test_a_withdrawn_run_is_not_rung(
    firing: Firing, ringer: Ringer, bell: Bell, change: Change
):
    job, key = await due_in(firing, 2)
    _, last = await due_in(firing, 2.1)
    await ringer.intake.take([key, last])
    await change(firing.shards, firing.caller, job.id, now())
    await bell.rings(1)
    assert [run.id for run, _ in bell.rung] == [last[1]]


async def test_an_edited_run_rings_once_with_its_new_target(
    firing: Firing, ringer: Ringer, bell: Bell
):
    job, key = await due_in(firing, 2)
    await ringer.intake.take([key])
    moved = HttpTarget(url="https://example.com/moved")
    await update(firing.shards, firing.caller, job.id, now(), target=moved)
    await firing.claim(now() + LOOK_AHEAD, now=now())
    _, last = await due_in(firing, 2)
    await ringer.intake.take([key, last])
    await bell.rings(2)
    rung = [(run.id, run.target) for run, _ in bell.rung]
    assert rung == [(key[1], moved), (last[1], TARGET)]


async def test_attempts_under_way_are_bounded(firing: Firing, ringer: Ringer, bell: Bell):
    bell.keep_ringing()
    keys = [(await due_in(firing, -1))[1] for _ in range(12)]
    await ringer.intake.take(keys)
    await bell.rings(8)
    states = [await state_of(firing, key) for key in keys]
    assert sorted(states) == ["queued"] * 4 + ["running"] * 8
    bell.silence()
    await bell.rings(12)
    assert len({run.id for run, _ in bell.rung}) == 12


async def test_a_full_ringer_pushes_back_until_something_rings(
    firing: Firing, ringer: Ringer, bell: Bell
):
    keys = [(await due_in(firing, 0.8))[1] for _ in range(2)]
    await ringer.intake.take(keys)  # two of 201 places: not enough for another message of 200
    _, waiting = await due_in(firing, 0.8)
    taking = asyncio.create_task(ringer.intake.take([waiting]))
    await bell.rings(1)
    assert await taking == []
    await bell.rings(3)
    assert bell.rung[2][0].id == waiting[1]


async def test_a_full_ringer_that_stops_takes_nothing(firing: Firing, ringer: Ringer):
    keys = [(await due_in(firing, 4))[1] for _ in range(2)]
    await ringer.intake.take(keys)
    _, waiting = await due_in(firing, 4)
    taking = asyncio.create_task(ringer.intake.take([waiting]))
    done, _ = await asyncio.wait([taking], timeout=0.2)
    assert not done
    assert set(await ringer.stop()) == set(keys)
    assert await taking == [waiting]
    assert [await state_of(firing, key) for key in (*keys, waiting)] == ["scheduled"] * 3


async def test_a_stopped_ringer_gives_back_what_waits_and_finishes_what_rings(
    firing: Firing, ringer: Ringer, bell: Bell
):
    bell.keep_ringing()
    _, ringing = await due_in(firing, -1)
    _, waiting = await due_in(firing, 4)
    await ringer.intake.take([ringing, waiting])
    await bell.rings(1)
    stopping = asyncio.create_task(ringer.stop())
    await eventually(partial(is_in, firing, waiting, "scheduled"))
    assert not stopping.done()
    bell.silence()
    assert await stopping == [waiting]
    assert await state_of(firing, ringing) == "succeeded"
    assert await ringer.intake.take([waiting]) == [waiting]
    assert await state_of(firing, waiting) == "scheduled"
    assert len(bell.rung) == 1


async def test_a_ringer_that_stops_while_it_begins_an_attempt_waits_for_its_end(
    firing: Firing, ringer: Ringer, bell: Bell
):
    _, key = await due_in(firing, 2)
    await ringer.intake.take([key])
    async with locked(firing, key):
        await eventually(partial(waits_for_locks, firing, 1))
        stopping = asyncio.create_task(ringer.stop())
        done, _ = await asyncio.wait([stopping], timeout=0.3)
    await stopping
    await bell.rings(1)
    await eventually(partial(is_in, firing, key, "succeeded"))
    assert not done


async def test_a_ringer_that_stops_while_it_takes_gives_back_what_it_took(
    firing: Firing, ringer: Ringer
):
    _, key = await due_in(firing, 4)
    async with locked(firing, key):
        taking = asyncio.create_task(ringer.intake.take([key]))
        await eventually(partial(waits_for_locks, firing, 1))
        stopping = asyncio.create_task(ringer.stop())
        await asyncio.wait([stopping], timeout=0.3)
    await asyncio.gather(taking, stopping)
    assert await state_of(firing, key) == "scheduled"


async def test_a_retry_that_comes_while_its_last_attempt_is_being_let_go_is_rung(
    firing: Firing, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
):
    rung: list[int] = []
    let_go = asyncio.Event()
    record = recorder.record

    async def fail(run: TakenRun, _: datetime) -> Answer:
        rung.append(run.number)
        return Answer(outcome=Outcome.FAILED)

    async def record_and_linger(attempt: EndedAttempt) -> None:
        await record(attempt)
        await let_go.wait()

    monkeypatch.setattr(recorder, "record", record_and_linger)
    ringer = Ringer(firing.shard, WORKER, fail, recorder)
    working = asyncio.create_task(ringer.run())
    at_once = RetryPolicy(max_attempts=2, min_backoff=timedelta(0), jitter=False)
    _, key = await due_in(firing, -1, retry=at_once)
    await ringer.intake.take([key])
    await eventually(partial(is_in, firing, key, "retrying"))
    await firing.claim(now(), now=now())
    await ringer.intake.take([key])
    assert await state_of(firing, key) == "queued"
    let_go.set()
    await eventually(partial(is_in, firing, key, "failed"))
    assert rung == [1, 2]
    working.cancel()
    await asyncio.wait([working])


async def test_what_is_given_back_makes_room_for_a_take_that_waits(firing: Firing, ringer: Ringer):
    keys = [(await due_in(firing, 4))[1] for _ in range(3)]
    assert await ringer.intake.take(keys[:2]) == []
    waiting = asyncio.create_task(ringer.intake.take(keys[2:]))
    await eventually(
        lambda: asyncio.sleep(0, ringer.owned.backpressure._waiting == 1), what="it waits"
    )
    assert sorted(await ringer.intake.give_back()) == sorted(keys[:2])
    async with asyncio.timeout(10):
        assert await waiting == []


async def test_a_take_whose_answer_was_lost_is_asked_again_when_the_clock_is_right(
    firing: Firing, ringer: Ringer, bell: Bell, monkeypatch: pytest.MonkeyPatch
):
    """Postgres says that this worker owns the run: nobody else would ring it."""
    _, key = await due_in(firing, 1)
    asked, looks = [], iter(["is wrong"] * 4)

    async def losing(command: TakeRuns, database: Database) -> Taken:
        taken = await take_runs(command, database)
        asked.append(command.runs)
        if len(asked) == 1:
            monkeypatch.setattr(database.clock, "trouble", lambda _: next(looks, None))
            raise ConnectionResetError
        return taken

    monkeypatch.setattr(intake, "take_runs", losing)
    assert await ringer.intake.take([key]) == []
    assert asked == [[key], [key]]
    await bell.rings(1)


@pytest.mark.promise("window")
async def test_a_run_that_begins_beyond_its_window_is_let_go_and_the_others_ring(
    firing: Firing, ringer: Ringer, bell: Bell
):
    none = CatchupPolicy(window=timedelta(0))
    _, in_time = await due_in(firing, -1)
    job, late = await due_in(firing, -147, catchup=ALL_OF_THEM)
    await update(firing.shards, firing.caller, job.id, now(), catchup=none)
    counted = REGISTRY.get_sample_value("tocsin_runs_total", MISSED) or 0
    assert await ringer.intake.take([late, in_time]) == [] == []
    await bell.rings(1)
    await eventually(partial(is_in, firing, late, "missed"))
    await eventually(partial(is_in, firing, in_time, "succeeded"))
    assert [run.id for run, _ in bell.rung] == [in_time[1]]
    # Its slot and its target are free again.
    keys = [(await due_in(firing, -1))[1] for _ in range(8)]
    assert await ringer.intake.take(keys) == []
    await bell.rings(9)
    assert REGISTRY.get_sample_value("tocsin_runs_total", MISSED) == counted + 1


async def test_a_run_is_judged_again_when_postgres_did_not_answer(
    firing: Firing, ringer: Ringer, bell: Bell, monkeypatch: pytest.MonkeyPatch
):
    asked: list[MissRuns] = []

    async def miss(command: MissRuns, database: Database) -> set[UUID]:
        asked.append(command)
        if len(asked) == 1:
            raise ConnectionResetError
        return await miss_runs(command, database)

    monkeypatch.setattr("workers.worker.unready.miss_runs", miss)
    job, key = await due_in(firing, -147, catchup=ALL_OF_THEM)
    none = CatchupPolicy(window=timedelta(0))
    await update(firing.shards, firing.caller, job.id, now(), catchup=none)
    assert await ringer.intake.take([key]) == []
    await eventually(partial(is_in, firing, key, "missed"))
    assert (len(asked), bell.rung) == (2, [])
