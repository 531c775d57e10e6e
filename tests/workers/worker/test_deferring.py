"""Runs whose target cannot be rung now wait where they harm nobody, and are rung when it can."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

import pytest

from commands.firing.start_attempts import StartAttempts, start_attempts
from commands.runs.cancel_runs import CancelRun, cancel_run
from domain.policies.deferral import LONGEST_DEFERRAL
from domain.policies.retry import RetryPolicy
from domain.runs.run import Outcome
from domain.targets.health.breaker import FAILURES, FIRST_REST, BreakerState
from domain.targets.kinds.http import HttpTarget
from storage.postgres.pools import Database
from storage.queue.broker import RunKey
from tests.commands.changing import Change, delete, pause, update
from tests.commands.firing import OTHER_WORKER, TARGET, Firing
from tests.storage.eventually import eventually
from tests.workers.ringing import Bell, due_in, now, state_of
from workers.targets.answer import Answer
from workers.targets.limits.target_limiter import TargetLimiter
from workers.worker.ringer import Ringer

MOVED = HttpTarget(url="https://moved.example/run")
SECOND = timedelta(seconds=1)
RETRIES = RetryPolicy(max_attempts=3, min_backoff=timedelta(0), jitter=False)


def limiter_of(firing: Firing, ringer: Ringer, target: HttpTarget = TARGET) -> TargetLimiter:
    return ringer.owned.limiters.to(firing.caller.service_id, target, now())


def shut(limiter: TargetLimiter) -> None:
    """Let the target fail until its breaker opens."""
    failed = Answer(outcome=Outcome.FAILED, status_code=500)
    for _ in range(FAILURES):
        limiter.begin(now())
        limiter.end(now(), now(), failed)
    assert limiter.breaker.state is BreakerState.OPEN


async def is_put_off(firing: Firing, key: RunKey) -> bool:
    return (await firing.run(key[1]))["retry_at"] is not None


async def put_off(firing: Firing, ringer: Ringer, seconds: float = -1) -> RunKey:
    """A run whose target's breaker is open."""
    shut(limiter_of(firing, ringer))
    _, key = await due_in(firing, seconds)
    await ringer.intake.take([key])
    await eventually(partial(is_put_off, firing, key))
    return key


async def claim_again(firing: Firing, key: RunKey) -> list[UUID]:
    """What a dispatcher claims at the instant until which a run was put off."""
    at = (await firing.run(key[1]))["retry_at"]
    return [run.id for run in (await firing.claim(at, now=at)).runs]


async def in_state(firing: Firing, key: RunKey, state: str) -> bool:
    return await state_of(firing, key) == state


async def test_a_run_for_an_open_breaker_goes_back_without_an_attempt_and_due_as_before(
    firing: Firing, ringer: Ringer, bell: Bell
):
    key = await put_off(firing, ringer)
    row = await firing.run(key[1])
    assert (row["state"], row["held_by"], row["attempt_count"]) == ("scheduled", None, 0)
    assert row["due_at"] == row["scheduled_for"]
    assert timedelta(0) < row["retry_at"] - now() < 2 * FIRST_REST
    assert bell.rung == []
    assert limiter_of(firing, ringer).minutes[-1].deferred == 1


async def test_it_is_rung_when_its_instant_has_come_and_its_lateness_tells(
    firing: Firing, ringer: Ringer, bell: Bell
):
    key = await put_off(firing, ringer)
    assert await claim_again(firing, key) == [key[1]]
    limiter_of(firing, ringer).breaker = limiter_of(firing, ringer).breaker.began().answered(now())
    await ringer.intake.take([key])
    await eventually(partial(in_state, firing, key, "succeeded"))
    row = await firing.run(key[1])
    assert row["attempt_count"] == 1
    assert row["lateness_ms"] >= 1_000


async def test_other_targets_of_the_service_are_rung_meanwhile(
    firing: Firing, ringer: Ringer, bell: Bell
):
    shut(limiter_of(firing, ringer))
    shut_out = [(await due_in(firing, -1))[1] for _ in range(12)]  # more than there are slots
    job, key = await due_in(firing, 4)
    await update(firing.shards, firing.caller, job.id, now(), target=MOVED)
    await firing.rows("UPDATE runs SET due_at = $1 WHERE job_id = $2", now(), job.id)
    await firing.claim(now() + 5 * SECOND, now=now())
    await ringer.intake.take([*shut_out, key])
    for one in shut_out:
        await eventually(partial(is_put_off, firing, one))
    await firing.claim(now() + 5 * SECOND, now=now())
    await ringer.intake.take([key])
    await bell.rings(1)
    assert [run.target for run, _ in bell.rung] == [MOVED]


@pytest.mark.parametrize("change", [pause, delete])
async def test_a_job_that_is_paused_or_deleted_is_not_rung_when_the_rest_is_over(
    firing: Firing, ringer: Ringer, bell: Bell, change: Change
):
    shut(limiter_of(firing, ringer))
    job = await firing.job(now=now(), every=SECOND)
    (first, *_) = (await firing.claim(now() + 1.5 * SECOND, now=now())).runs
    key = (first.service_id, first.id)
    await ringer.intake.take([key])
    await eventually(partial(is_put_off, firing, key))
    at = (await firing.run(key[1]))["retry_at"]
    await change(firing.shards, firing.caller, job.id, now())
    assert key[1] not in {run.id for run in (await firing.claim(at, now=at)).runs}
    await ringer.intake.take([key])
    assert bell.rung == []


async def test_a_run_that_was_put_off_can_be_cancelled(firing: Firing, ringer: Ringer):
    key = await put_off(firing, ringer)
    at = (await firing.run(key[1]))["retry_at"]
    command = CancelRun(caller=firing.caller, run_id=key[1], now=now())
    assert (await cancel_run(command, firing.shards)).state == "cancelled"
    assert (await firing.claim(at, now=at)).runs == []


async def test_an_edited_job_has_its_new_target_rung(firing: Firing, ringer: Ringer, bell: Bell):
    shut(limiter_of(firing, ringer))
    job, key = await due_in(firing, -0.1)
    await ringer.intake.take([key])
    await eventually(partial(is_put_off, firing, key))
    await update(firing.shards, firing.caller, job.id, now(), target=MOVED)
    await claim_again(firing, key)
    await ringer.intake.take([key])
    await bell.rings(1)
    assert [run.target for run, _ in bell.rung] == [MOVED]


async def test_another_worker_may_take_what_was_put_off(firing: Firing, ringer: Ringer):
    key = await put_off(firing, ringer)
    await claim_again(firing, key)
    (taken,) = await firing.take(key, by=OTHER_WORKER, until=now())
    assert taken.number == 1


async def test_a_short_wait_is_waited_in_the_worker(firing: Firing, ringer: Ringer, bell: Bell):
    limiter = limiter_of(firing, ringer)
    limiter.begin(now())
    busy = Answer(outcome=Outcome.FAILED, status_code=429, retry_after=SECOND)
    limiter.end(now(), now(), busy)
    opens_at = limiter.pace.resumes_at
    assert opens_at is not None
    _, key = await due_in(firing, -1)
    await ringer.intake.take([key])
    await bell.rings(1)
    assert bell.rung[0][1] >= opens_at - timedelta(milliseconds=10)
    assert (await firing.run(key[1]))["retry_at"] is None


async def test_a_run_that_waited_too_long_has_an_attempt_that_failed_without_a_ring(
    firing: Firing, ringer: Ringer, bell: Bell
):
    shut(limiter_of(firing, ringer))
    _, key = await due_in(firing, -1, retry=RETRIES)
    await firing.rows(
        "UPDATE runs SET due_at = due_at - $1::interval WHERE id = $2", LONGEST_DEFERRAL, key[1]
    )
    await ringer.intake.take([key])
    await eventually(partial(in_state, firing, key, "retrying"))
    assert bell.rung == []
    (attempt,) = await firing.rows("SELECT * FROM attempts WHERE run_id = $1", key[1])
    assert (attempt["outcome"], attempt["status_code"]) == ("failed", None)
    assert attempt["error"].startswith("The target was not rung")
    assert limiter_of(firing, ringer).under_way == 0
    assert limiter_of(firing, ringer).breaker.state is BreakerState.OPEN


async def test_what_a_run_waited_for_its_turn_is_not_what_it_waits_for_its_target(
    firing: Firing, ringer: Ringer, bell: Bell
):
    shut(limiter_of(firing, ringer))
    _, key = await due_in(firing, -1)
    await firing.rows(
        "UPDATE runs SET due_at = due_at - $1::interval, overlap_wait_ms = $2 WHERE id = $3",
        LONGEST_DEFERRAL,
        LONGEST_DEFERRAL / SECOND * 1_000,
        key[1],
    )
    await ringer.intake.take([key])
    await eventually(partial(is_put_off, firing, key))
    assert (await firing.run(key[1]))["attempt_count"] == 0


async def test_the_time_for_retries_is_not_prolonged_by_waiting(
    firing: Firing, ringer: Ringer, bell: Bell, monkeypatch: pytest.MonkeyPatch
):
    async def fail(run: object, started_at: datetime) -> Answer:
        return Answer(outcome=Outcome.FAILED, status_code=404)

    monkeypatch.setattr(ringer.attempts._abortable, "_ring", fail)
    policy = RetryPolicy(
        max_attempts=9,
        min_backoff=timedelta(0),
        jitter=False,
        max_retry_duration=timedelta(minutes=5),
    )
    _, key = await due_in(firing, -1, retry=policy)
    await ringer.intake.take([key])
    await eventually(partial(in_state, firing, key, "retrying"))
    shut(limiter_of(firing, ringer))
    await firing.rows(
        "UPDATE runs SET started_at = started_at - interval '5 minutes' WHERE id = $1", key[1]
    )
    await firing.claim(now(), now=now())
    await ringer.intake.take([key])
    await eventually(partial(in_state, firing, key, "failed"))
    assert await firing.outcomes(key[1]) == ["failed", "failed"]


async def test_one_probe_at_a_time_and_the_breaker_closes_when_it_is_taken(
    firing: Firing, ringer: Ringer, bell: Bell
):
    bell.keep_ringing()
    limiter = limiter_of(firing, ringer)
    shut(limiter)
    limiter.breaker = type(limiter.breaker)(
        state=BreakerState.OPEN, failures=FAILURES, opened_at=now(), probe_at=now(), rest=FIRST_REST
    )
    keys = [(await due_in(firing, -1))[1] for _ in range(3)]
    await ringer.intake.take(keys)
    await bell.rings(1)
    assert limiter.breaker.state is BreakerState.HALF_OPEN
    assert limiter.under_way == 1
    bell.silence()
    await bell.rings(2)
    assert limiter.breaker.state is BreakerState.CLOSED


async def test_a_ringer_that_stops_gives_back_what_waits_for_its_target(
    firing: Firing, ringer: Ringer, bell: Bell
):
    limiter = limiter_of(firing, ringer)
    limiter.begin(now())
    limiter.end(now(), now(), Answer(outcome=Outcome.FAILED, status_code=429, retry_after=SECOND))
    _, key = await due_in(firing, -1)
    await ringer.intake.take([key])
    await asyncio.sleep(0)
    assert await ringer.stop() == [key]
    assert await state_of(firing, key) == "scheduled"


async def test_of_a_job_whose_runs_take_turns_one_is_given_up_at_a_time(
    firing: Firing, ringer: Ringer, bell: Bell
):
    shut(limiter_of(firing, ringer))
    job = await firing.job(now=now(), every=SECOND, retry=RETRIES)
    claimed = (await firing.claim(now() + 2.5 * SECOND, now=now())).runs[:2]
    await firing.rows(
        "UPDATE runs SET due_at = due_at - $1::interval WHERE job_id = $2",
        LONGEST_DEFERRAL + 5 * SECOND,
        job.id,
    )
    keys = [(run.service_id, run.id) for run in claimed]
    taken = await firing.take(*keys, until=now())
    assert len(taken) == 2
    ringer.owned.queue._overdue = [(run, now()) for run in taken]
    ringer.owned.changed.set()
    states = set[str]()
    for key in keys:
        await eventually(partial(is_put_off, firing, key))
        states.add(await state_of(firing, key))
    assert states == {"retrying", "scheduled"}
    assert bell.rung == []


@pytest.mark.promise("lost beginnings")
async def test_a_run_whose_begin_was_not_answered_is_rung_though_its_target_rests_by_then(
    firing: Firing, ringer: Ringer, bell: Bell, monkeypatch: pytest.MonkeyPatch
):
    answers_lost = []

    async def begin_and_lose_the_answer(command: StartAttempts, database: Database) -> set[UUID]:
        started = await start_attempts(command, database)
        if not answers_lost:
            answers_lost.append(started)
            shut(limiter_of(firing, ringer))
            raise ConnectionResetError
        return started

    monkeypatch.setattr("workers.worker.attempts.start_attempts", begin_and_lose_the_answer)
    _, key = await due_in(firing, -1)
    await ringer.intake.take([key])
    await bell.rings(1)
    await eventually(partial(in_state, firing, key, "succeeded"))
    assert answers_lost == [{key[1]}]
    assert await firing.outcomes(key[1]) == ["succeeded"]
