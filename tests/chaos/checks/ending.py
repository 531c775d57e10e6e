"""Each run ends, and what it says of itself is possible."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from tests.chaos.history import FINAL, Attempt, Delivery, History, Run, Violation, grouped

# A run begins so long before it is due, to ring on time.
HEAD_START = timedelta(milliseconds=50)
CLOCK_BOUND = timedelta(seconds=1)
# So soon does a process find out that its clock is wrong.
FOUND_OUT = timedelta(seconds=3)


def check(history: History) -> Iterator[Violation]:
    """Judge every run, with its attempts."""
    attempts = grouped(history.attempts, "run_id")
    rings = grouped(history.deliveries, "webhook_id")
    for run in history.runs:
        if history.too_busy and run.is_open:
            continue
        mine = sorted(attempts.get(run.id, []), key=lambda one: one.number)
        broken = list(_broken(run, mine))
        if not any(_clock_was_wrong(history, one) for one in rings.get(run.id, [])):
            broken += _wrong_times(run, mine)
        for said in broken:
            text = f"run {run.id} ({run.state}, {run.trigger}): {said}"
            yield Violation(promise="states", said=text, at=run.due_at, job_id=run.job_id)


def _broken(run: Run, attempts: list[Attempt]) -> Iterator[str]:
    if run.is_open or run.state not in FINAL:
        yield "it is still open"
        return
    if run.finished_at is None:
        yield "it has ended, and has no end"
    numbers = [attempt.number for attempt in attempts]
    if numbers != list(range(1, run.attempt_count + 1)):
        yield f"its attempts are {numbers}, it counts {run.attempt_count}"
    succeeded = [one.number for one in attempts if one.outcome == "succeeded"]
    if run.state == "succeeded" and succeeded != [run.attempt_count]:
        yield f"its attempts {succeeded} of {run.attempt_count} succeeded"
    if run.state == "failed" and (succeeded or not attempts):
        yield f"its attempts {succeeded} of {len(attempts)} succeeded"
    if run.lateness_ms is not None and run.lateness_ms < 0:
        yield f"its lateness is {run.lateness_ms:.1f} ms"


def _clock_was_wrong(history: History, ring: Delivery) -> bool:
    """Whether the worker may have told wrong times of it, by the right clock of the receiver."""
    ended_at = ring.arrived_at + timedelta(seconds=ring.ended - ring.arrived)
    return history.clock_was_wrong(ring.arrived_at, ended_at, within=FOUND_OUT)


def _wrong_times(run: Run, attempts: list[Attempt]) -> Iterator[str]:
    if run.started_at is None:
        return
    if run.ended_with_its_first and run.started_at < run.due_at - HEAD_START:
        yield f"it began at {run.started_at}, and was due at {run.due_at}"
    if run.started_at < run.scheduled_for - HEAD_START:
        yield f"it began at {run.started_at}, before its fire time {run.scheduled_for}"
    # Two processes may have told of it, each by its own clock.
    if run.finished_at and run.finished_at < run.started_at - CLOCK_BOUND:
        yield f"it ended at {run.finished_at}, before it began at {run.started_at}"
    for attempt in attempts:
        if attempt.finished_at < attempt.started_at - CLOCK_BOUND:
            yield f"attempt {attempt.number} ended at {attempt.finished_at}, before it began"
