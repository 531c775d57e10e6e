"""Who beats, who may call others dead, and whose row is forgotten."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from tests.commands.firing import NOON, OTHER_WORKER, SECOND, WORKER, Firing
from workers.heartbeat import INTERVAL, LAPSE, Heartbeat
from workers.housekeeping import FORGET_AFTER, forget_processes

TICK = timedelta(microseconds=1)


async def beat_every(heartbeat: Heartbeat, gap: timedelta, *, until: timedelta) -> None:
    at = timedelta(0)
    while at <= until:
        await heartbeat.beat(NOON + at)
        at += gap


async def test_a_beat_touches_the_processs_one_row(firing: Firing, heartbeat: Heartbeat):
    await heartbeat.beat(NOON)
    await heartbeat.beat(NOON + SECOND)
    (row,) = await firing.rows("SELECT * FROM workers")
    assert (row["id"], row["kind"], row["heartbeat_at"]) == (WORKER, "worker", NOON + SECOND)


async def test_a_process_that_stops_removes_its_row_and_no_other(
    firing: Firing, heartbeat: Heartbeat
):
    await Heartbeat(OTHER_WORKER, "worker", firing.database).beat(NOON)
    await heartbeat.beat(NOON)
    await heartbeat.stop()
    assert [row["id"] for row in await firing.rows("SELECT id FROM workers")] == [OTHER_WORKER]


def test_who_never_beat_may_not_judge(heartbeat: Heartbeat):
    assert not heartbeat.may_judge(NOON)


async def test_one_may_judge_after_a_lapses_time_of_steady_beats(heartbeat: Heartbeat):
    await beat_every(heartbeat, INTERVAL, until=LAPSE)
    assert not heartbeat.may_judge(NOON + LAPSE)
    assert heartbeat.may_judge(NOON + LAPSE + TICK)


async def test_a_late_beat_of_up_to_half_a_lapse_is_steady(heartbeat: Heartbeat):
    await beat_every(heartbeat, LAPSE / 2, until=2 * LAPSE)
    assert heartbeat.may_judge(NOON + 2 * LAPSE)


async def test_after_a_gap_the_others_get_time_to_be_heard_again(heartbeat: Heartbeat):
    await beat_every(heartbeat, INTERVAL, until=3 * LAPSE)
    back = NOON + 3 * LAPSE + LAPSE / 2 + SECOND
    await heartbeat.beat(back)
    assert not heartbeat.may_judge(back)
    while not heartbeat.may_judge(back + LAPSE + TICK):
        assert heartbeat._last_beat < back + LAPSE
        await heartbeat.beat(heartbeat._last_beat + INTERVAL)
        assert not heartbeat.may_judge(min(heartbeat._last_beat, back + LAPSE))


@pytest.mark.parametrize(("since", "may"), [(LAPSE / 2, True), (LAPSE / 2 + TICK, False)])
async def test_who_did_not_beat_of_late_may_not_judge(
    heartbeat: Heartbeat, since: timedelta, may: bool
):
    await beat_every(heartbeat, INTERVAL, until=2 * LAPSE)
    assert heartbeat.may_judge(NOON + 2 * LAPSE + since) is may


async def test_only_processes_that_hold_nothing_are_forgotten_and_only_after_long(
    firing: Firing,
):
    run = await firing.queued_run(uuid4())
    holder = (await firing.run(run.id))["held_by"]
    gone, lately = uuid4(), uuid4()
    now = NOON + 2 * FORGET_AFTER
    for process, at in (
        (holder, NOON),
        (gone, now - FORGET_AFTER - TICK),
        (lately, now - FORGET_AFTER),
    ):
        await Heartbeat(process, "worker", firing.database).beat(at)
    await forget_processes(firing.shard, now)
    left = {row["id"] for row in await firing.rows("SELECT id FROM workers")}
    assert left == {holder, lately}
