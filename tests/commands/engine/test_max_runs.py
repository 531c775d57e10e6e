"""A schedule that ends after so many runs: what counts, and what is given back."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import pytest

from commands.firing.take_runs import TakenRun
from commands.runs.cancel_runs import CancelRun, cancel_run
from domain.errors import Conflict
from domain.jobs.job import JobState
from domain.policies.catchup import CatchupPolicy, Coalesce
from domain.policies.overlap import Overlap
from domain.schedules.schedule import Schedule
from tests.commands.changing import NEW_TARGET, pause, resume, update
from tests.commands.firing import ALL_OF_THEM, NOON, SECOND, Firing, instants_of, succeeded
from tests.commands.telling import told

MINUTE = 60 * SECOND
AFTER = NOON + 30 * MINUTE


async def seconds_run(firing: Firing, job_id: UUID) -> list[int]:
    return [(one - NOON) // SECOND for one in instants_of(await firing.runs(job_id))]


async def claim(firing: Firing, now: datetime) -> None:
    await firing.claim(now + 5 * SECOND, now=now)


@pytest.mark.promise("max_runs", "number of runs")
async def test_a_schedule_ends_after_its_number_of_runs(firing: Firing):
    job = await firing.job(every=SECOND, max_runs=3)
    await claim(firing, NOON)
    assert await seconds_run(firing, job.id) == [0, 1, 2]
    row = await firing.job_row(job.id)
    assert (row["next_fire_for"], row["run_count"]) == (NOON + 2 * SECOND, 3)
    assert row["accounted_to"] == NOON + 2 * SECOND
    await claim(firing, AFTER)
    assert await told(firing, job.id, AFTER, unit=1) == [(n, n, "run") for n in (0, 1, 2)]


@pytest.mark.parametrize("coalesce", Coalesce)
async def test_late_runs_count_too_and_what_follows_the_last_one_is_no_concern(
    firing: Firing, coalesce: Coalesce
):
    policy = CatchupPolicy(window=timedelta(hours=1), coalesce=coalesce)
    job = await firing.job(every=MINUTE, max_runs=1, catchup=policy)
    now = NOON + 5 * MINUTE + 30 * SECOND
    await claim(firing, now)
    assert (
        await told(firing, job.id, AFTER)
        == {
            Coalesce.LATEST: [(0, 4, "coalesced"), (5, 5, "run")],
            Coalesce.EARLIEST: [(0, 0, "run")],
            Coalesce.ALL: [(0, 0, "run")],
        }[coalesce]
    )


async def test_runs_that_are_withdrawn_are_given_back(firing: Firing):
    job = await firing.job(every=SECOND, max_runs=3)
    await claim(firing, NOON)
    await update(firing.shards, firing.caller, job.id, NOON + SECOND, target=NEW_TARGET)
    assert await seconds_run(firing, job.id) == [0, 1]
    assert (await firing.job_row(job.id))["run_count"] == 2
    await claim(firing, NOON + SECOND)
    assert await seconds_run(firing, job.id) == [0, 1, 2]


async def test_runs_that_a_pause_lets_go_of_do_not_count(firing: Firing):
    job = await firing.job(every=SECOND, max_runs=3)
    await claim(firing, NOON)
    await pause(firing.shards, firing.caller, job.id, NOON + SECOND)
    assert await seconds_run(firing, job.id) == []
    await resume(firing.shards, firing.caller, job.id, NOON + 10 * SECOND)
    await claim(firing, NOON + 10 * SECOND)
    assert await seconds_run(firing, job.id) == [11, 12, 13]
    assert await told(firing, job.id, NOON + 12 * SECOND, unit=1) == [
        (0, 0, "paused"),
        (1, 1, "paused"),
        (2, 10, "paused"),
        (11, 11, "run"),
        (12, 12, "run"),
    ]


async def test_a_pause_gives_back_no_run_of_before_they_were_counted_anew(firing: Firing):
    job = await firing.job(every=SECOND)
    await claim(firing, NOON)
    edited_at = NOON + 2.5 * SECOND
    schedule = Schedule(accepted_at=edited_at, every=SECOND, max_runs=3)
    await update(
        firing.shards, firing.caller, job.id, edited_at, schedule=schedule, reset_run_count=True
    )
    await claim(firing, edited_at)
    assert await seconds_run(firing, job.id) == [0, 1, 2, 3, 4, 5]
    first = (await firing.runs(job.id))[3]
    (taken,) = await firing.take((first["service_id"], first["id"]), until=NOON + 3 * SECOND)
    assert await firing.begin(taken, now=NOON + 3 * SECOND)
    await pause(firing.shards, firing.caller, job.id, NOON + 4 * SECOND)
    assert await seconds_run(firing, job.id) == [3]
    assert (await firing.job_row(job.id))["run_count"] == 1
    await resume(firing.shards, firing.caller, job.id, NOON + 10 * SECOND)
    await claim(firing, NOON + 10 * SECOND)
    assert await seconds_run(firing, job.id) == [3, 11, 12]


async def test_a_cancelled_run_counts_once_although_its_instant_is_claimed_again(firing: Firing):
    job = await firing.job(every=SECOND, max_runs=3)
    await claim(firing, NOON)
    run = (await firing.runs(job.id))[1]
    await cancel_run(CancelRun(caller=firing.caller, run_id=run["id"], now=NOON), firing.shards)
    before = NOON - SECOND / 2
    await update(firing.shards, firing.caller, job.id, before, target=NEW_TARGET)
    await claim(firing, before)
    assert await seconds_run(firing, job.id) == [0, 1, 2]
    assert [row["state"] for row in await firing.runs(job.id)] == [
        "scheduled",
        "cancelled",
        "scheduled",
    ]
    assert (await firing.job_row(job.id))["run_count"] == 3


async def test_a_run_that_is_let_go_by_its_overlap_does_not_count_and_leaves_no_gap(
    firing: Firing,
):
    job = await firing.job(every=SECOND, max_runs=2, overlap=Overlap.SKIP, catchup=ALL_OF_THEM)
    await claim(firing, NOON)
    keys = [(row["service_id"], row["id"]) for row in await firing.runs(job.id)]
    first, second = await firing.take(*keys)
    assert await firing.begin(first)
    assert not await firing.begin(second, now=NOON + SECOND)
    assert await firing.finish(succeeded(first)) == {first.id}
    now = NOON + 3 * SECOND
    await claim(firing, now)
    assert await told(firing, job.id, AFTER, unit=1) == [
        (0, 0, "run"),
        (1, 1, "skipped_overlap"),
        (2, 2, "run"),
    ]


async def test_a_job_at_its_end_tells_of_nothing_more(firing: Firing):
    run = await firing.running_run(every=MINUTE, now=NOON, max_runs=1)
    await firing.finish(succeeded(run))
    with pytest.raises(Conflict, match="new schedule"):
        await pause(firing.shards, firing.caller, run.job_id, AFTER)
    schedule = Schedule(accepted_at=AFTER, every=MINUTE, max_runs=2)
    edited = await update(firing.shards, firing.caller, run.job_id, AFTER, schedule=schedule)
    assert edited.state is JobState.ACTIVE
    await claim(firing, AFTER)
    assert await told(firing, run.job_id, AFTER + 5 * MINUTE) == [(0, 0, "run"), (30, 30, "run")]


async def test_a_retry_of_an_earlier_schedule_that_is_let_go_is_given_back(
    firing: Firing,
):
    old = await firing.retrying_run(every=MINUTE, now=NOON, max_runs=1)
    edited_at = NOON + 10 * SECOND
    schedule = Schedule(accepted_at=edited_at, every=MINUTE, max_runs=2)
    await update(firing.shards, firing.caller, old.job_id, edited_at, schedule=schedule)
    await claim(firing, NOON + MINUTE)
    assert (await firing.job_row(old.job_id))["run_count"] == 2
    new = await new_run_with_the_turn(firing, old)
    retry_at = (await firing.run(old.id))["due_at"]
    (retry,) = await firing.take((old.service_id, old.id), until=retry_at)
    assert not await firing.begin(retry, now=retry_at)
    assert await firing.state(old.id) == "skipped_overlap"
    assert (await firing.job_row(old.job_id))["run_count"] == 1
    await firing.finish(succeeded(new))
    await claim(firing, NOON + 5 * MINUTE)
    assert (await firing.job_row(old.job_id))["run_count"] == 2


async def new_run_with_the_turn(firing: Firing, old: TakenRun) -> TakenRun:
    """A run of the new schedule that rings although the old one is not over."""
    # The old one has the turn as long as it is open, so somebody has to take it away by hand.
    await firing.rows("DELETE FROM turns WHERE job_id = $1", old.job_id)
    newest = (await firing.runs(old.job_id))[-1]
    (new,) = await firing.take((newest["service_id"], newest["id"]), until=NOON + MINUTE)
    assert await firing.begin(new, now=NOON + MINUTE)
    return new
