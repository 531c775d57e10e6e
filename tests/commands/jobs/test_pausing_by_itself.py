"""What a target answers may pause its job, make it wait, or end a run's attempts."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import msgspec
import pytest

from commands.firing.finish_attempts import EndedAttempt, finish_attempts
from commands.firing.take_runs import TakenRun
from domain.policies.overlap import Overlap
from domain.policies.retry import RetryPolicy
from domain.runs.run import Outcome
from tests.commands.changing import delete, pause, resume
from tests.commands.firing import (
    DUE,
    LATER,
    OTHER_WORKER,
    SECOND,
    STEADY,
    Firing,
    ended,
    failed,
    succeeded,
)

EVERY = {"every": 3 * SECOND, "now": DUE - 2 * SECOND}
PAUSING = RetryPolicy(max_attempts=2, min_backoff=60 * SECOND, jitter=False, pause_on_failure=True)


def gone(run: TakenRun) -> EndedAttempt:
    return msgspec.structs.replace(failed(run), status_code=410, error="The target answered 410.")


@pytest.mark.promise("410 Gone")
async def test_a_target_that_is_gone_fails_the_run_at_once_and_pauses_its_job(firing: Firing):
    run = await firing.running_run(**EVERY)
    before = await firing.job_row(run.job_id)
    assert before["next_claim_at"] is not None
    assert await firing.finish(gone(run)) == {run.id}
    row = await firing.run(run.id)
    assert (row["state"], row["open"], row["failed"]) == ("failed", False, True)
    assert (row["retry_at"], row["attempt_count"]) == (None, 1)
    job = await firing.job_row(run.job_id)
    assert (job["paused"], job["pause_reason"]) == (True, "The target answered 410 Gone.")
    assert (job["next_fire_for"], job["next_claim_at"]) == (None, None)
    assert job["version"] == before["version"] + 1
    assert await firing.outcomes(run.id) == ["failed"]
    (audited,) = await firing.rows("SELECT * FROM audit WHERE action = 'job.paused'")
    assert (audited["object_id"], audited["principal"]) == (run.job_id, "worker")
    assert msgspec.json.decode(audited["details"]) == {"reason": "The target answered 410 Gone."}


async def test_a_pause_by_itself_lets_go_what_was_claimed_ahead(firing: Firing):
    run = await firing.running_run(**EVERY)
    await firing.claim(DUE + 9 * SECOND, now=DUE)
    assert len(await firing.runs(run.job_id)) == 4
    await firing.finish(gone(run))
    assert [row["id"] for row in await firing.runs(run.job_id)] == [run.id]


async def test_a_job_without_a_fire_time_left_is_paused_too(firing: Firing):
    run = await firing.running_run()
    await firing.finish(gone(run))
    job = await firing.job_row(run.job_id)
    assert (job["paused"], job["pause_reason"]) == (True, "The target answered 410 Gone.")


async def test_a_resumed_job_has_no_reason_any_more(firing: Firing):
    run = await firing.running_run(**EVERY)
    await firing.finish(gone(run))
    await resume(firing.shards, firing.caller, run.job_id, LATER)
    job = await firing.job_row(run.job_id)
    assert (job["paused"], job["pause_reason"]) == (False, None)
    assert job["next_fire_for"] > LATER


async def test_a_job_that_was_paused_before_keeps_its_reason(firing: Firing):
    run = await firing.running_run(**EVERY)
    await pause(firing.shards, firing.caller, run.job_id, DUE)
    before = await firing.job_row(run.job_id)
    await firing.finish(gone(run))
    assert await firing.job_row(run.job_id) == before
    assert await firing.state(run.id) == "failed"


async def test_a_run_of_a_deleted_job_may_find_its_target_gone(firing: Firing):
    run = await firing.running_run(**EVERY)
    await delete(firing.shards, firing.caller, run.job_id, DUE)
    assert await firing.finish(gone(run)) == {run.id}
    assert await firing.state(run.id) == "failed"


async def test_a_worker_that_is_late_pauses_nothing(firing: Firing):
    run = await firing.running_run(**EVERY)
    await firing.finish(ended(run, Outcome.ABANDONED))
    await firing.next_attempt(run, by=OTHER_WORKER)
    assert await firing.finish(gone(run)) == set()
    assert not (await firing.job_row(run.job_id))["paused"]


async def test_a_run_that_was_asked_to_end_pauses_nothing(firing: Firing):
    run = await firing.running_run(**EVERY)
    await firing.buffered(run.job_id, Overlap.CANCEL_OTHER)
    await firing.finish(gone(run))
    assert await firing.state(run.id) == "cancelled"
    assert not (await firing.job_row(run.job_id))["paused"]


@pytest.mark.promise("pause_on_failure")
async def test_a_job_is_paused_only_after_the_last_attempt_failed(firing: Firing):
    run = await firing.running_run(retry=PAUSING, **EVERY)
    timed_out = msgspec.structs.replace(ended(run, Outcome.TIMED_OUT), error="No answer.")
    await firing.finish(timed_out)
    assert not (await firing.job_row(run.job_id))["paused"]
    again = await firing.next_attempt(run)
    await firing.finish(msgspec.structs.replace(failed(again), error="The target answered 500."))
    job = await firing.job_row(run.job_id)
    assert job["paused"]
    assert job["pause_reason"] == (
        f"Run {run.id} failed after 2 attempts: The target answered 500."
    )
    assert await firing.state(run.id) == "failed"


async def test_a_success_after_failures_pauses_nothing(firing: Firing):
    run = await firing.running_run(retry=PAUSING, **EVERY)
    await firing.finish(failed(run))
    await firing.finish(succeeded(await firing.next_attempt(run)))
    assert not (await firing.job_row(run.job_id))["paused"]


async def test_a_job_that_is_not_to_pause_does_not(firing: Firing):
    once = msgspec.structs.replace(STEADY, max_attempts=1)
    run = await firing.running_run(retry=once, **EVERY)
    await firing.finish(failed(run))
    assert not (await firing.job_row(run.job_id))["paused"]


@pytest.mark.parametrize(
    "part", ["commands.jobs.pause_job.begin_pause", "commands.jobs.pause_job.change_job"]
)
async def test_the_end_of_the_run_and_the_pause_happen_both_or_neither(
    firing: Firing, monkeypatch: pytest.MonkeyPatch, part: str
):
    async def dies(*_: object, **__: object) -> None:
        raise ConnectionResetError

    run = await firing.running_run(**EVERY)
    with monkeypatch.context() as patched:
        patched.setattr(part, dies)
        with pytest.raises(ConnectionResetError):
            await firing.finish(gone(run))
    assert await firing.state(run.id) == "running"
    assert await firing.outcomes(run.id) == []
    assert not (await firing.job_row(run.job_id))["paused"]
    assert await firing.finish(gone(run)) == {run.id}
    assert (await firing.job_row(run.job_id))["paused"]


async def test_a_pause_by_itself_is_recorded_once_however_often_it_is_tried(firing: Firing):
    run = await firing.running_run(**EVERY)
    recorded = await asyncio.gather(*(firing.finish(gone(run)) for _ in range(4)))
    assert sorted(map(len, recorded)) == [0, 0, 0, 1]
    assert (await firing.job_row(run.job_id))["version"] == 2
    assert await firing.outcomes(run.id) == ["failed"]


async def test_one_target_that_is_gone_does_not_concern_the_rest_of_a_batch(firing: Firing):
    one, other = await firing.running_run(**EVERY), await firing.running_run()
    assert await firing.finish(gone(one), succeeded(other)) == {one.id, other.id}
    assert await firing.state(other.id) == "succeeded"
    assert not (await firing.job_row(other.job_id))["paused"]


async def test_runs_of_a_paused_job_that_wait_for_its_turn_still_get_it(firing: Firing):
    run = await firing.running_run(**EVERY)
    waiting = await firing.buffered(run.job_id)
    finished = await finish_attempts([gone(run)], firing.shard)
    assert finished.contended == {(run.service_id, run.job_id)}
    assert await firing.pass_overlap_locks() == [waiting.id]


@pytest.mark.promise("Retry-After")
@pytest.mark.parametrize(("asked", "waited"), [(90, 90), (30, 60), (4_000, 300)])
async def test_what_a_target_asks_for_is_honoured_within_the_longest_backoff(
    firing: Firing, asked: int, waited: int
):
    run = await firing.running_run(retry=STEADY)
    attempt = msgspec.structs.replace(
        failed(run), status_code=503, retry_after=timedelta(seconds=asked)
    )
    await firing.finish(attempt)
    row = await firing.run(run.id)
    assert row["state"] == "retrying"
    assert row["due_at"] == row["retry_at"] == attempt.finished_at + timedelta(seconds=waited)


async def test_no_attempt_begins_later_than_the_time_for_retries_allows(firing: Firing):
    bounded = msgspec.structs.replace(
        STEADY, max_attempts=10, multiplier=1.0, max_retry_duration=130 * SECOND
    )
    run = await firing.running_run(retry=bounded)
    # Attempts begin 0, 61 and 122 seconds after the first; the next would after 183.
    for _ in range(2):
        await firing.finish(failed(run))
        run = await firing.next_attempt(run)
    await firing.finish(failed(run))
    row = await firing.run(run.id)
    assert (row["state"], row["attempt_count"], row["retry_at"]) == ("failed", 3, None)
