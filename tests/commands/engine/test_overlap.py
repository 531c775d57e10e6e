"""What a run does that finds another run of its job active."""

from __future__ import annotations

import msgspec
import pytest

from commands.firing.take_runs import TakenRun
from domain.policies.overlap import Overlap
from domain.runs.run import Outcome
from tests.commands.firing import (
    DUE,
    LATER,
    NOON,
    OTHER_WORKER,
    SECOND,
    WORKER,
    Firing,
    ended,
    failed,
    succeeded,
)

STAGES = ["running_run", "retrying_run"]
WAITING = [Overlap.BUFFER_ONE, Overlap.BUFFER_ALL]
ENDING = [Overlap.CANCEL_OTHER, Overlap.TERMINATE_OTHER]
TURN_TAKING = [one for one in Overlap if one is not Overlap.ALLOW_ALL]


async def second(firing: Firing, holder: TakenRun, overlap: Overlap | None) -> TakenRun:
    """A second run of the holder's job, when it has fallen due in another worker."""
    run = await firing.triggered(holder.job_id, overlap)
    await firing.begin(run, by=OTHER_WORKER, now=LATER)
    return run


async def assert_waits(firing: Firing, run: TakenRun) -> None:
    row = await firing.run(run.id)
    assert (row["state"], row["open"], row["buffered"]) == ("scheduled", True, True)
    assert (row["held_by"], row["attempt_count"], row["reason"]) == (None, 0, None)


async def assert_rings(firing: Firing, run: TakenRun) -> None:
    row = await firing.run(run.id)
    assert (row["state"], row["held_by"], row["buffered"]) == ("running", OTHER_WORKER, False)


@pytest.mark.parametrize("overlap", Overlap)
async def test_a_run_of_an_idle_job_rings(firing: Firing, overlap: Overlap):
    run = await firing.queued_run(overlap=overlap)
    assert await firing.begin(run)
    await firing.finish(succeeded(run))
    await assert_rings(firing, await second(firing, run, None))


@pytest.mark.promise("overlap: skip")
@pytest.mark.parametrize("stage", STAGES)
async def test_a_run_that_skips_is_let_go_with_a_reason(firing: Firing, stage: str):
    holder = await getattr(firing, stage)()
    before = await firing.run(holder.id)
    row = await firing.run((await second(firing, holder, Overlap.SKIP)).id)
    assert (row["state"], row["open"], row["held_by"]) == ("skipped_overlap", False, None)
    assert (row["finished_at"], row["attempt_count"]) == (LATER, 0)
    assert row["reason"] == "An earlier run of the job was still active."
    assert await firing.run(holder.id) == before


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("overlap", WAITING)
async def test_a_run_that_is_buffered_waits_and_leaves_the_other_alone(
    firing: Firing, stage: str, overlap: Overlap
):
    holder = await getattr(firing, stage)()
    before = await firing.run(holder.id)
    await assert_waits(firing, await second(firing, holder, overlap))
    assert await firing.run(holder.id) == before


@pytest.mark.promise("overlap: allow_all")
@pytest.mark.parametrize("stage", STAGES)
async def test_runs_that_may_overlap_do_not_look_at_each_other(firing: Firing, stage: str):
    holder = await getattr(firing, stage)()
    before = await firing.run(holder.id)
    for _ in range(2):
        await assert_rings(firing, await second(firing, holder, Overlap.ALLOW_ALL))
    assert await firing.run(holder.id) == before


@pytest.mark.promise("overlap: buffer_one")
async def test_of_buffered_runs_one_is_kept_the_first(firing: Firing):
    holder = await firing.running_run()
    first = await firing.buffered(holder.job_id, Overlap.BUFFER_ONE)
    later = await second(firing, holder, Overlap.BUFFER_ONE)
    assert await firing.state(later.id) == "skipped_overlap"
    await assert_waits(firing, first)


@pytest.mark.promise("overlap: buffer_all")
async def test_of_buffered_runs_all_are_kept_in_order(firing: Firing):
    holder = await firing.running_run()
    # Begun in another order than they are due.
    runs = [await firing.triggered(holder.job_id, Overlap.BUFFER_ALL) for _ in range(4)]
    for run in (runs[2], runs[0], runs[3], runs[1]):
        assert not await firing.begin(run, by=OTHER_WORKER, now=LATER)
    active = holder
    for run in runs:
        await firing.finish(succeeded(active, by=WORKER if active is holder else OTHER_WORKER))
        assert await firing.pass_overlap_locks() == [run.id]
        (active,) = await firing.take(
            (run.service_id, run.id), by=OTHER_WORKER, until=LATER + SECOND
        )
        assert await firing.begin(active, by=OTHER_WORKER, now=LATER)


async def test_a_run_that_skips_is_let_go_though_others_only_wait(firing: Firing):
    holder = await firing.running_run()
    first = await firing.buffered(holder.job_id)
    await firing.finish(succeeded(holder))
    assert await firing.state((await second(firing, holder, Overlap.SKIP)).id) == "skipped_overlap"
    await assert_waits(firing, first)


@pytest.mark.promise("overlap: cancel_other")
async def test_cancel_other_asks_the_run_that_rings_to_end_and_waits_for_that(firing: Firing):
    holder = await firing.running_run()
    run = await second(firing, holder, Overlap.CANCEL_OTHER)
    await assert_waits(firing, run)
    row = await firing.run(holder.id)
    assert (row["state"], row["open"], row["abort"]) == ("running", True, True)
    assert row["reason"] == f"Run {run.id} of the job took its place."
    assert await firing.pass_overlap_locks() == []
    await firing.finish(ended(holder, Outcome.ABANDONED))
    row = await firing.run(holder.id)
    assert (row["state"], row["open"], row["abort"]) == ("cancelled", False, False)
    assert (row["retry_at"], row["due_at"], row["failed"]) == (None, DUE, False)
    assert await firing.pass_overlap_locks() == [run.id]


async def test_a_run_that_was_asked_to_end_is_not_touched_again(firing: Firing):
    """Its end would wait for that."""
    holder = await firing.running_run()
    await second(firing, holder, Overlap.CANCEL_OTHER)
    version = "SELECT xmin, * FROM runs WHERE id = $1"
    before = await firing.rows(version, holder.id)
    last = await second(firing, holder, Overlap.CANCEL_OTHER)
    await assert_waits(firing, last)
    assert await firing.rows(version, holder.id) == before
    await firing.finish(ended(holder, Outcome.ABANDONED))
    assert await firing.pass_overlap_locks() == [last.id]


async def test_a_run_that_was_asked_to_end_may_have_succeeded_by_then(firing: Firing):
    holder = await firing.running_run()
    run = await second(firing, holder, Overlap.CANCEL_OTHER)
    await firing.finish(succeeded(holder))
    row = await firing.run(holder.id)
    assert (row["state"], row["abort"], row["reason"]) == ("succeeded", False, None)
    assert await firing.pass_overlap_locks() == [run.id]


async def test_a_run_that_was_asked_to_end_is_cancelled_though_it_failed_for_good(firing: Firing):
    once = msgspec.structs.replace(await policy_of(firing), max_attempts=1)
    holder = await firing.running_run(retry=once)
    await second(firing, holder, Overlap.CANCEL_OTHER)
    await firing.finish(failed(holder))
    row = await firing.run(holder.id)
    assert (row["state"], row["failed"]) == ("cancelled", False)


async def policy_of(firing: Firing):
    return (await firing.queued_run()).retry


async def test_cancel_other_ends_a_run_that_waits_for_its_next_attempt_and_begins_at_once(
    firing: Firing,
):
    holder = await firing.retrying_run()
    run = await second(firing, holder, Overlap.CANCEL_OTHER)
    row = await firing.run(holder.id)
    assert (row["state"], row["open"], row["retry_at"]) == ("cancelled", False, None)
    assert row["reason"] == f"Run {run.id} of the job took its place."
    await assert_rings(firing, run)


@pytest.mark.promise("overlap: terminate_other")
async def test_terminate_other_ends_the_run_that_rings_and_begins_at_once(firing: Firing):
    holder = await firing.running_run()
    run = await second(firing, holder, Overlap.TERMINATE_OTHER)
    await assert_rings(firing, run)
    row = await firing.run(holder.id)
    assert (row["state"], row["open"], row["abort"]) == ("cancelled", False, True)
    assert (row["finished_at"], row["started_at"]) == (LATER, DUE)
    assert row["reason"] == f"Run {run.id} of the job took its place."
    (attempt,) = await firing.rows("SELECT * FROM attempts WHERE run_id = $1", holder.id)
    assert (attempt["outcome"], attempt["number"]) == ("abandoned", 1)
    assert (attempt["started_at"], attempt["finished_at"]) == (DUE, LATER)
    assert attempt["error"] == row["reason"]


@pytest.mark.promise("overlap: terminate_other")
@pytest.mark.parametrize("outcome", [Outcome.SUCCEEDED, Outcome.FAILED, Outcome.ABANDONED])
async def test_what_a_terminated_runs_worker_says_later_changes_nothing(
    firing: Firing, outcome: Outcome
):
    holder = await firing.running_run()
    run = await second(firing, holder, Overlap.TERMINATE_OTHER)
    before = await firing.run(holder.id)
    assert await firing.finish(ended(holder, outcome)) == set()
    assert await firing.run(holder.id) == before
    assert await firing.outcomes(holder.id) == ["abandoned"]
    await assert_rings(firing, run)


async def test_terminate_other_ends_a_run_that_waits_for_its_next_attempt(firing: Firing):
    holder = await firing.retrying_run()
    await assert_rings(firing, await second(firing, holder, Overlap.TERMINATE_OTHER))
    row = await firing.run(holder.id)
    assert (row["state"], row["open"], row["retry_at"]) == ("cancelled", False, None)
    assert await firing.outcomes(holder.id) == ["failed"]


@pytest.mark.parametrize("overlap", ENDING)
async def test_those_that_wait_make_room_too(firing: Firing, overlap: Overlap):
    holder = await firing.running_run()
    waiting = [await firing.buffered(holder.job_id) for _ in range(3)]
    run = await second(firing, holder, overlap)
    for one in waiting:
        row = await firing.run(one.id)
        assert (row["state"], row["open"], row["buffered"]) == ("cancelled", False, False)
        assert row["reason"] == f"Run {run.id} of the job took its place."
        assert await firing.outcomes(one.id) == []
    if overlap is Overlap.CANCEL_OTHER:
        await firing.finish(ended(holder, Outcome.ABANDONED))
        assert await firing.pass_overlap_locks() == [run.id]
    else:
        await assert_rings(firing, run)
    assert await firing.pass_overlap_locks() == []


@pytest.mark.parametrize("overlap", ENDING)
async def test_a_run_that_waits_in_a_worker_for_its_next_attempt_makes_room(
    firing: Firing, overlap: Overlap
):
    holder = await firing.retrying_run()
    due_at = (await firing.run(holder.id))["due_at"]
    (again,) = await firing.take((holder.service_id, holder.id), until=due_at)
    await assert_rings(firing, await second(firing, holder, overlap))
    assert await firing.state(holder.id) == "cancelled"
    assert not await firing.begin(again, now=due_at)


async def test_a_trigger_without_a_policy_of_its_own_has_the_jobs(firing: Firing):
    holder = await firing.running_run(overlap=Overlap.BUFFER_ALL)
    await assert_waits(firing, await second(firing, holder, None))


@pytest.mark.promise("overlap: override")
async def test_a_triggers_own_policy_holds_instead_of_the_jobs(firing: Firing):
    holder = await firing.running_run(overlap=Overlap.BUFFER_ALL)
    skipped = await second(firing, holder, Overlap.SKIP)
    assert await firing.state(skipped.id) == "skipped_overlap"
    # The next one has the job's again.
    await assert_waits(firing, await second(firing, holder, None))


@pytest.mark.parametrize("overlap", TURN_TAKING)
async def test_the_next_attempt_of_the_run_that_has_the_turn_needs_no_turn(
    firing: Firing, overlap: Overlap
):
    holder = await firing.retrying_run(overlap=overlap)
    await second(firing, holder, Overlap.BUFFER_ALL)
    again = await firing.next_attempt(holder)
    assert again.number == 2


@pytest.mark.promise("skips and max_runs")
async def test_a_skipped_run_of_the_schedule_does_not_count(firing: Firing):
    job = await firing.job(every=10 * SECOND, max_runs=2)
    await firing.claim(NOON + 10 * SECOND)
    row = await firing.job_row(job.id)
    assert (row["run_count"], row["next_fire_for"]) == (2, NOON + 10 * SECOND)
    first, late = await firing.runs(job.id)
    keys = [(run["service_id"], run["id"]) for run in (first, late)]
    holder, skipped = await firing.take(*keys, until=LATER)
    assert await firing.begin(holder)
    assert not await firing.begin(skipped)
    assert await firing.state(skipped.id) == "skipped_overlap"
    row = await firing.job_row(job.id)
    assert row["run_count"] == 1
    assert row["next_fire_for"] == row["next_claim_at"] == NOON + 20 * SECOND
    await firing.claim(NOON + 60 * SECOND)
    row = await firing.job_row(job.id)
    assert (row["run_count"], row["next_fire_for"]) == (2, NOON + 20 * SECOND)
    instants = [run["scheduled_for"] for run in await firing.runs(job.id)]
    assert instants == [NOON, NOON + 10 * SECOND, NOON + 20 * SECOND]


async def test_a_skipped_trigger_changes_nothing_about_the_count(firing: Firing):
    holder = await firing.running_run(every=3 * SECOND, now=NOON + SECOND, max_runs=1)
    before = await firing.job_row(holder.job_id)
    assert before["run_count"] == 1
    await second(firing, holder, Overlap.SKIP)
    assert await firing.job_row(holder.job_id) == before
