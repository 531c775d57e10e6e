"""The catch-up window is judged when a run begins, however it came to be late."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import pytest

from commands.backfills.continue_backfills import continue_backfills
from commands.backfills.start_backfill import StartBackfill, start_backfill
from commands.firing.defer_runs import DeferRuns, defer_runs
from commands.firing.miss_runs import MissRuns, is_late, miss_runs
from commands.firing.take_runs import TakenRun
from commands.runs.replay_runs import ReplayRun, replay_run
from domain.policies.catchup import CatchupPolicy, Outcome
from domain.policies.deferral import LONGEST_DEFERRAL
from domain.policies.overlap import Overlap
from tests.commands.changing import update
from tests.commands.ended_runs import (
    agree,
    fold,
    job_counts,
    kept,
    recounted,
    service_counts,
)
from tests.commands.firing import (
    DUE,
    NOON,
    OTHER_WORKER,
    SECOND,
    STEADY,
    WORKER,
    Firing,
    succeeded,
)
from tests.commands.telling import told

NONE = CatchupPolicy(window=timedelta(0))
MINUTE = 60 * SECOND


async def miss(firing: Firing, *runs: TakenRun, now: datetime, by: UUID = WORKER) -> set[UUID]:
    """What a worker does with those that it is about to begin."""
    late = [run for run in runs if is_late(run, now)]
    if not late:
        return set()
    return await miss_runs(MissRuns(worker_id=by, runs=late, now=now), firing.database)


@pytest.mark.promise("misfires", "window")
async def test_a_claimed_run_that_begins_beyond_its_window_is_missed(firing: Firing):
    run = await firing.queued_run(catchup=NONE)
    now = DUE + 147 * SECOND
    assert await miss(firing, run, now=now) == {run.id}
    row = await firing.run(run.id)
    assert (row["state"], row["open"], row["held_by"]) == ("missed", False, None)
    assert (row["finished_at"], row["attempt_count"]) == (now, 0)
    assert row["reason"] == "It would have begun 147.0 s late; its catch-up window is 0 s."
    assert await told(firing, run.job_id, now, unit=1) == [(3, 3, "missed")]
    assert await firing.start(run, now=now) == set()
    await fold(firing)
    assert await job_counts(firing, run.job_id) == await service_counts(firing) == {"missed": 1}
    agree(await kept(firing), await recounted(firing))


@pytest.mark.parametrize(
    ("window", "late", "is_missed"),
    [(0, 1, False), (0, 1.001, True), (1, 1, False), (60, 60, False), (60, 60.001, True)],
)
def test_a_window_reaches_so_far_and_a_second_at_least(window: float, late: float, is_missed: bool):
    policy = CatchupPolicy(window=window * SECOND)
    assert policy.misses(NOON, NOON + late * SECOND) is is_missed


async def test_within_its_window_it_begins(firing: Firing):
    run = await firing.queued_run(catchup=CatchupPolicy())
    assert await miss(firing, run, now=DUE + 59 * SECOND) == set()
    assert await firing.start(run, now=DUE + 59 * SECOND) == {run.id}


async def test_the_policy_of_the_moment_counts(firing: Firing):
    run = await firing.queued_run(catchup=NONE)
    longer = CatchupPolicy(window=MINUTE)
    await update(firing.shards, firing.caller, run.job_id, DUE, catchup=longer)
    assert await firing.state(run.id) == "scheduled"  # to be read anew
    (again,) = await firing.take((run.service_id, run.id))
    assert await miss(firing, run, again, now=DUE + 30 * SECOND) == set()
    shorter = CatchupPolicy(window=2 * SECOND)
    await update(firing.shards, firing.caller, run.job_id, DUE, catchup=shorter)
    (again,) = await firing.take((run.service_id, run.id))
    assert await miss(firing, again, now=DUE + 30 * SECOND) == {run.id}


async def test_what_another_worker_holds_by_now_is_left_alone(firing: Firing):
    run = await firing.queued_run(catchup=NONE)
    assert await miss(firing, run, now=DUE + MINUTE, by=OTHER_WORKER) == set()
    assert await firing.state(run.id) == "queued"


async def test_what_no_schedule_made_is_never_missed(firing: Firing):
    job = await firing.job(every=SECOND, catchup=NONE, overlap=Overlap.ALLOW_ALL)
    by_hand = await firing.triggered(job.id, now=NOON)
    command = StartBackfill(
        caller=firing.caller,
        job_id=job.id,
        start=NOON - 2 * SECOND,
        end=NOON - SECOND,
        overlap=Overlap.ALLOW_ALL,
        only_missing=False,
        runs_per_minute=60,
        dry_run=False,
        now=NOON,
    )
    await start_backfill(command, firing.shards)
    (key,) = await continue_backfills(NOON, firing.database)
    (backfilled,) = await firing.take(key, by=OTHER_WORKER)
    late = NOON + MINUTE
    assert await miss(firing, by_hand, backfilled, now=late, by=OTHER_WORKER) == set()
    runs = (by_hand, backfilled)
    assert await firing.start(*runs, by=OTHER_WORKER, now=late) == {run.id for run in runs}


async def test_a_replay_and_a_retry_are_never_missed(firing: Firing):
    run = await firing.queued_run(catchup=NONE)
    await miss(firing, run, now=DUE + MINUTE)
    replayed = await replay_run(
        ReplayRun(caller=firing.caller, run_id=run.id, now=DUE + MINUTE), firing.shards
    )
    (replay,) = await firing.take((run.service_id, replayed.id), until=DUE + MINUTE)
    assert await miss(firing, replay, now=DUE + 9 * MINUTE) == set()
    retried = await firing.retrying_run(catchup=NONE, retry=STEADY)
    due_at = (await firing.run(retried.id))["due_at"]
    await firing.claim(due_at, now=due_at)
    (retry,) = await firing.take((retried.service_id, retried.id), until=due_at)
    assert await miss(firing, retry, now=due_at + 9 * MINUTE) == set()


@pytest.mark.promise("window")
async def test_a_run_that_waited_for_its_turn_is_not_missed(firing: Firing):
    job = await firing.job(every=SECOND, catchup=NONE, overlap=Overlap.BUFFER_ALL)
    await firing.claim(NOON + SECOND)
    keys = [(row["service_id"], row["id"]) for row in await firing.runs(job.id)]
    first, second = await firing.take(*keys)
    assert await firing.begin(first, now=NOON)
    assert not await firing.begin(second, now=NOON + SECOND)
    await firing.finish(succeeded(first))
    assert await firing.pass_overlap_locks() == [second.id]
    (taken,) = await firing.take((second.service_id, second.id))
    late = NOON + 9 * MINUTE
    assert await miss(firing, taken, now=late) == set()
    assert await firing.begin(taken, now=late)


async def test_a_missed_run_lets_the_next_one_have_its_turn(firing: Firing):
    job = await firing.job(every=SECOND, catchup=NONE, overlap=Overlap.BUFFER_ALL)
    await firing.claim(NOON + SECOND)
    keys = [(row["service_id"], row["id"]) for row in await firing.runs(job.id)]
    first, second = await firing.take(*keys)
    assert not await firing.begin(second, now=NOON + SECOND)  # the first is before it
    assert await miss(firing, first, now=NOON + 2 * SECOND) == {first.id}
    assert await firing.pass_overlap_locks() == [second.id]


@pytest.mark.parametrize(
    ("late", "is_missed"), [(LONGEST_DEFERRAL, False), (LONGEST_DEFERRAL + SECOND, True)]
)
async def test_a_run_that_waits_for_its_target_does_so_for_ten_minutes(
    firing: Firing, late: timedelta, is_missed: bool
):
    run = await firing.queued_run(catchup=NONE)
    until = DUE + MINUTE
    await defer_runs(DeferRuns(worker_id=WORKER, runs=[(run, until)]), firing.database)
    await firing.claim(until, now=until)
    (again,) = await firing.take((run.service_id, run.id))
    assert await miss(firing, again, now=DUE + late) == ({run.id} if is_missed else set())


async def test_a_missed_run_does_not_count_and_leaves_no_gap(firing: Firing):
    job = await firing.job(every=SECOND, max_runs=2, catchup=NONE)
    await firing.claim(NOON + 5 * SECOND)
    keys = [(row["service_id"], row["id"]) for row in await firing.runs(job.id)]
    first, second = await firing.take(*keys)
    assert await firing.begin(first, now=NOON)
    await firing.finish(succeeded(first))
    now = NOON + 4 * SECOND
    assert await miss(firing, second, now=now) == {second.id}
    await firing.claim(now + 2 * SECOND, now=now)
    outcomes = await told(firing, job.id, now, unit=1)
    assert outcomes[:2] == [(0, 0, "run"), (1, 1, "missed")]
    assert outcomes[-1][2] is Outcome.RUN
    assert (await firing.job_row(job.id))["run_count"] == 2


async def test_many_are_missed_at_once_and_the_others_begin(firing: Firing):
    runs = [await firing.queued_run(catchup=NONE) for _ in range(3)]
    patient = await firing.queued_run()
    now = DUE + MINUTE
    assert await miss(firing, *runs, patient, now=now) == {run.id for run in runs}
    assert await firing.start(patient, now=now) == {patient.id}
