"""Runs wait in a ringer: what is on time goes first, and what is late is not forgotten."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from commands.firing.take_runs import TakenRun
from domain.policies.overlap import Overlap
from tests.commands.firing import NOON
from tests.workers.ringing import waiting_run
from workers.targets.limits.concurrency_limiter import ConcurrencyLimiter
from workers.targets.limits.target_limiter import TargetLimiters
from workers.worker.fair_queue import LATE_AFTER, SHARE_OF_LATE, FairQueue

MILLISECOND = timedelta(milliseconds=1)
SECOND = timedelta(seconds=1)


def empty() -> FairQueue:
    return FairQueue(TargetLimiters(), ConcurrencyLimiter(1_000))


def filled(*runs: TakenRun) -> FairQueue:
    waiting = empty()
    for run in runs:
        waiting.add(run)
    return waiting


def pop(waiting: FairQueue, limit: int = 100, *, at: float = 0) -> list[TakenRun]:
    now = NOON + timedelta(seconds=at)
    return waiting.pop(now, now, limit)


def test_what_is_due_is_taken_out_in_order_and_the_rest_stays():
    runs = [waiting_run(due) for due in (-0.1, 0, -0.2, 0.1)]
    waiting = filled(*runs)
    assert waiting.next_due() == NOON - 200 * MILLISECOND
    assert pop(waiting) == [runs[2], runs[0], runs[1]]
    assert waiting.runs == [runs[3]]
    assert waiting.next_due() == NOON + 100 * MILLISECOND
    assert pop(waiting) == []


def test_of_a_backlog_the_newest_comes_first():
    runs = [waiting_run(-due) for due in (60, 2, 3_600)]
    waiting = filled(*runs)
    assert pop(waiting) == [runs[1], runs[0], runs[2]]
    assert waiting.next_due() is None


def test_what_is_on_time_comes_before_a_backlog_and_leaves_it_a_share():
    late = [waiting_run(-10 - n) for n in range(20)]
    on_time = [waiting_run(-n / 100) for n in range(20)]
    waiting = filled(*late, *on_time)
    batch = pop(waiting, 8)
    assert sum(run in late for run in batch) == 8 // SHARE_OF_LATE
    assert batch[0] == on_time[-1]
    assert batch[-1] in late


def test_a_backlog_takes_the_places_that_nobody_on_time_wants():
    late = [waiting_run(-10 - n) for n in range(20)]
    waiting = filled(*late, waiting_run(0))
    assert sum(run in late for run in pop(waiting, 8)) == 7


def test_what_is_on_time_takes_the_places_that_a_backlog_leaves():
    late, on_time = waiting_run(-10), [waiting_run(-n / 100) for n in range(20)]
    batch = pop(filled(late, *on_time), 8)
    assert len(batch) == 8
    assert late in batch


def test_what_waits_too_long_becomes_a_backlog():
    run = waiting_run(0)
    waiting = filled(run)
    edge = LATE_AFTER.total_seconds()
    assert pop(waiting, 0, at=edge + 1) == []
    assert waiting.next_due() == NOON
    newer = waiting_run(0.5)
    waiting.add(newer)
    assert pop(waiting, 1, at=edge + 1) == [newer]
    assert pop(waiting, 1, at=edge + 1) == [run]


def test_of_a_job_whose_runs_take_turns_one_is_taken_at_a_time():
    runs = [waiting_run(due, overlap=Overlap.SKIP) for due in (-0.3, -0.2, -0.1)]
    other = waiting_run(0, job=1, overlap=Overlap.SKIP)
    waiting = filled(*runs, other)
    assert pop(waiting) == [runs[0], other]
    assert waiting.next_due() == runs[1].due_at
    assert pop(waiting) == [runs[1]]
    assert pop(waiting) == [runs[2]]


def test_runs_that_may_overlap_are_taken_together():
    runs = [waiting_run(due) for due in (-0.2, -0.1)]
    assert pop(filled(*runs)) == runs


def test_a_run_that_was_taken_anew_with_another_due_instant_is_taken_once():
    early = waiting_run(-0.5)
    late = msgspec.structs.replace(early, due_at=NOON + SECOND, number=2)
    waiting = filled(early, late)
    assert len(waiting) == 1
    assert pop(waiting) == []
    assert pop(waiting, at=1) == [late]
    assert waiting.next_due() is None


def test_of_two_takes_the_one_that_saw_the_newer_job_counts():
    old, new = waiting_run(-0.1, version=1), waiting_run(-0.1, version=2)
    for order in ((old, new), (new, old)):
        waiting = filled(*order)
        assert pop(waiting) == [new]
        assert pop(waiting) == []


def test_nothing_waits_when_all_is_cleared():
    waiting = filled(waiting_run(-10), waiting_run(0))
    pop(waiting, 0)
    waiting.clear()
    assert (len(waiting), waiting.next_due(), pop(waiting)) == (0, None, [])


STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("add"),
            st.integers(-50, 50),
            st.integers(0, 3),
            st.integers(1, 3),
            st.sampled_from([Overlap.ALLOW_ALL, Overlap.SKIP]),
        ),
        st.tuples(st.just("pop"), st.integers(0, 20), st.integers(0, 6)),
    ),
    max_size=60,
)


@given(STEPS)
def test_runs_come_out_as_a_simple_model_says(steps):
    waiting, model = empty(), dict[UUID, TakenRun]()
    at = 0.0
    for step in steps:
        if step[0] == "add":
            _, due, job, version, overlap = step
            run = waiting_run(due / 10, job=job, version=version, overlap=overlap)
            waiting.add(run)
            known = model.get(run.id)
            if known is None or known.job_version <= version:
                model[run.id] = run
        else:
            at += step[1] / 10
            check_pop(model, pop(waiting, step[2], at=at), step[2], at)
        assert sorted(run.id for run in waiting.runs) == sorted(model)
        if model:
            assert waiting.next_due() is not None


def check_pop(model: dict[UUID, TakenRun], batch: list[TakenRun], limit: int, at: float) -> None:
    """A batch is what it should be; the model is told of it."""
    now = NOON + timedelta(seconds=at)
    due = {run_id: run for run_id, run in model.items() if run.due_at <= now}
    assert len({run.id for run in batch}) == len(batch) <= limit
    assert all(due[run.id] == run for run in batch)
    taking_turns = [run.job_id for run in batch if run.overlap is Overlap.SKIP]
    assert len(set(taking_turns)) == len(taking_turns)
    for run in batch:
        del due[run.id], model[run.id]
    if len(batch) < limit:  # there was room: only runs of jobs whose turn is taken stay
        assert all(
            run.overlap is Overlap.SKIP and run.job_id in taking_turns for run in due.values()
        )
    late_before = now - LATE_AFTER
    on_time = [run.due_at for run in batch if run.due_at >= late_before]
    late = [run.due_at for run in batch if run.due_at < late_before]
    assert on_time == sorted(on_time)
    assert late == sorted(late, reverse=True)
    late_left = [run for run in due.values() if run.due_at < late_before]
    if limit and len(batch) == limit and not late and late_left:
        assert all(run.job_id in taking_turns for run in late_left)
