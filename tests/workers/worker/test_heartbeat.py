"""Who beats, who may call others dead, and whose row is forgotten."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from tests.commands.firing import OTHER_WORKER, SECOND, WORKER, Firing
from tests.workers.stepped_clocks import SteppedClocks
from workers.heartbeat import INTERVAL, LAPSE, Heartbeat
from workers.housekeeping.retention import FORGET_AFTER, forget_processes

TICK = timedelta(milliseconds=1)


async def beat_every(
    heartbeat: Heartbeat, clocks: SteppedClocks, gap: timedelta, *, times: int
) -> None:
    """Beat, and beat again after each gap."""
    await heartbeat.beat()
    for _ in range(times):
        clocks.advance(gap)
        await heartbeat.beat()


async def test_a_beat_touches_the_processs_one_row_by_the_databases_clock(
    firing: Firing, heartbeat: Heartbeat, clocks: SteppedClocks
):
    clocks.step(timedelta(days=3))
    await heartbeat.beat()
    (first,) = await firing.rows("SELECT * FROM workers")
    await heartbeat.beat()
    (row,) = await firing.rows("SELECT *, clock_timestamp() AS now FROM workers")
    assert (row["id"], row["kind"]) == (WORKER, "worker")
    assert first["heartbeat_at"] < row["heartbeat_at"] < row["now"]
    assert row["clock_offset_ms"] == pytest.approx(3 * 86_400_000, abs=60_000)


async def test_a_process_that_stops_removes_its_row_and_no_other(
    firing: Firing, heartbeat: Heartbeat
):
    await firing.beat(OTHER_WORKER)
    await heartbeat.beat()
    await heartbeat.stop()
    assert [row["id"] for row in await firing.rows("SELECT id FROM workers")] == [OTHER_WORKER]


def test_who_never_beat_may_not_judge(heartbeat: Heartbeat):
    assert not heartbeat.may_judge()


async def test_one_may_judge_after_a_lapses_time_of_steady_beats(
    heartbeat: Heartbeat, clocks: SteppedClocks
):
    await beat_every(heartbeat, clocks, INTERVAL, times=LAPSE // INTERVAL)
    assert not heartbeat.may_judge()
    clocks.advance(TICK)
    assert heartbeat.may_judge()


async def test_a_late_beat_of_up_to_half_a_lapse_is_steady(
    heartbeat: Heartbeat, clocks: SteppedClocks
):
    await beat_every(heartbeat, clocks, LAPSE / 2, times=4)
    assert heartbeat.may_judge()


async def test_a_wall_clock_that_is_set_makes_no_gap(heartbeat: Heartbeat, clocks: SteppedClocks):
    await beat_every(heartbeat, clocks, INTERVAL, times=2 * LAPSE // INTERVAL)
    clocks.step(timedelta(hours=-1))
    assert heartbeat.may_judge()


async def test_after_a_gap_the_others_get_time_to_be_heard_again(
    heartbeat: Heartbeat, clocks: SteppedClocks
):
    await beat_every(heartbeat, clocks, INTERVAL, times=3 * LAPSE // INTERVAL)
    clocks.advance(LAPSE / 2 + SECOND)
    await beat_every(heartbeat, clocks, INTERVAL, times=LAPSE // INTERVAL)
    assert not heartbeat.may_judge()
    clocks.advance(TICK)
    assert heartbeat.may_judge()


@pytest.mark.parametrize(("since", "may"), [(LAPSE / 2, True), (LAPSE / 2 + TICK, False)])
async def test_who_did_not_beat_of_late_may_not_judge(
    heartbeat: Heartbeat, clocks: SteppedClocks, since: timedelta, may: bool
):
    await beat_every(heartbeat, clocks, INTERVAL, times=2 * LAPSE // INTERVAL)
    clocks.advance(since)
    assert heartbeat.may_judge() is may


async def test_only_processes_that_hold_nothing_are_forgotten_and_only_after_long(
    firing: Firing,
):
    run = await firing.queued_run(uuid4())
    holder = (await firing.run(run.id))["held_by"]
    gone, lately = uuid4(), uuid4()
    await firing.beat(holder, ago=2 * FORGET_AFTER)
    await firing.beat(gone, ago=FORGET_AFTER + TICK)
    await firing.beat(lately, ago=FORGET_AFTER - 60 * SECOND)
    await forget_processes(firing.shard)
    left = {row["id"] for row in await firing.rows("SELECT id FROM workers")}
    assert left == {holder, lately}
