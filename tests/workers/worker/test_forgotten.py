"""What a worker owns and knows nothing of is found, and nothing else is touched."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import REGISTRY

from storage.queue.broker import RunKey
from tests.commands.firing import OTHER_WORKER, WORKER, Firing
from tests.storage.eventually import eventually
from tests.workers.ringing import Bell, due_in, now, state_of
from workers.worker.config import WorkerConfig
from workers.worker.ringer import Ringer
from workers.worker.watches.forgotten_runs import GRACE, ForgottenWatch


@pytest.fixture
def watch(firing: Firing, ringer: Ringer) -> ForgottenWatch:
    return ForgottenWatch(firing.shard, WORKER, ringer)


def count(state: str) -> float:
    return REGISTRY.get_sample_value("tocsin_forgotten_runs_total", {"state": state}) or 0


@pytest.mark.promise("ends under contention")
async def test_a_forgotten_run_that_rings_ends_as_abandoned_and_is_retried(
    firing: Firing, watch: ForgottenWatch
):
    run = await firing.running_run()
    before = count("running")
    later = max(now(), run.due_at) + 2 * GRACE
    assert await watch.look(later) == []
    assert await firing.state(run.id) == "running"
    assert await watch.look(later) == []
    row = await firing.run(run.id)
    assert (row["state"], row["held_by"], row["retry_at"]) == ("retrying", None, later)
    assert await firing.outcomes(run.id) == ["abandoned"]
    assert count("running") == before + 1


async def test_a_forgotten_run_that_waits_is_freed(firing: Firing, watch: ForgottenWatch):
    run = await firing.queued_run()
    later = run.due_at + 2 * GRACE
    assert await watch.look(later) == []
    assert await watch.look(later) == [(run.service_id, run.id)]
    row = await firing.run(run.id)
    assert (row["state"], row["held_by"]) == ("scheduled", None)
    assert await watch.look(later) == []


async def test_what_moved_on_between_two_looks_is_not_forgotten(
    firing: Firing, watch: ForgottenWatch
):
    run = await firing.queued_run()
    later = run.due_at + 2 * GRACE
    await watch.look(later)
    await firing.start(run)
    assert await watch.look(later) == []
    assert await firing.state(run.id) == "running"


@pytest.mark.parametrize("stage", ["queued_run", "running_run"])
async def test_what_others_own_is_left_alone(firing: Firing, watch: ForgottenWatch, stage: str):
    run = await getattr(firing, stage)(OTHER_WORKER)
    for _ in range(3):
        assert await watch.look(run.due_at + 2 * GRACE) == []
    assert (await firing.run(run.id))["held_by"] == OTHER_WORKER


async def test_what_rings_waits_or_is_being_taken_is_in_hand(
    firing: Firing, watch: ForgottenWatch, ringer: Ringer, bell: Bell
):
    bell.keep_ringing()
    _, ringing = await due_in(firing, 0.2)
    await ringer.intake.take([ringing])
    await bell.rings(1)
    _, waiting = await due_in(firing, 4)
    await ringer.intake.take([waiting])
    _, taken = await due_in(firing, 4)
    async with firing.database.driver() as other:
        async with other.transaction():
            await other.execute("UPDATE runs SET trigger = trigger WHERE id = $1", taken[1])
            taking = asyncio.create_task(ringer.intake.take([taken]))
            await eventually(lambda: is_in_hand(ringer, taken[1]))
        await taking
    for _ in range(3):
        assert await watch.look(now() + 10 * GRACE) == []
    states = [await state_of(firing, key) for key in (ringing, waiting, taken)]
    assert states == ["running", "queued", "queued"]


async def is_in_hand(ringer: Ringer, run_id) -> bool:
    return ringer.owned.owns(run_id)


async def test_a_look_that_breaks_is_not_the_last_one(
    firing: Firing, ringer: Ringer, monkeypatch: pytest.MonkeyPatch
):
    looks = 0

    async def look(_: object) -> list[RunKey]:
        nonlocal looks
        looks += 1
        raise ValueError("of one run, perhaps")

    watch = ForgottenWatch(firing.shard, WORKER, ringer, WorkerConfig(forgotten_poll_seconds=0))
    monkeypatch.setattr(watch, "look", look)
    watching = asyncio.create_task(watch.run())
    await eventually(lambda: asyncio.sleep(0, looks >= 2), what="it looks again")
    watching.cancel()
    await asyncio.wait([watching])
    assert watching.cancelled()
