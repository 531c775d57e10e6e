"""Each run ends, and what it says of itself is possible."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from tests.chaos.history import FINAL, Attempt, History, Run, Violation, grouped

CLOCK_BOUND = timedelta(seconds=1)
# A run begins so long before it is due, to ring on time.
HEAD_START = timedelta(milliseconds=50)


def check(history: History) -> Iterator[Violation]:
    """Judge every run, with its attempts."""
    attempts = grouped(history.attempts, "run_id")
    for run in history.runs:
        for said in _broken(run, sorted(attempts.get(run.id, []), key=lambda one: one.number)):
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
    yield from _wrong_times(run, attempts)


def _wrong_times(run: Run, attempts: list[Attempt]) -> Iterator[str]:
    if run.lateness_ms is not None and run.lateness_ms < 0:
        yield f"its lateness is {run.lateness_ms:.1f} ms"
    if run.started_at and run.attempt_count == 1 and run.started_at < run.due_at - HEAD_START:
        yield f"it began at {run.started_at}, and was due at {run.due_at}"
    if run.started_at and run.started_at < run.scheduled_for - HEAD_START:
        yield f"it began at {run.started_at}, before its fire time {run.scheduled_for}"
    if run.started_at and run.finished_at and run.finished_at < run.started_at - CLOCK_BOUND:
        yield f"it ended at {run.finished_at}, before it began at {run.started_at}"
    for attempt in attempts:
        if attempt.finished_at < attempt.started_at - CLOCK_BOUND:
            yield f"attempt {attempt.number} ended at {attempt.finished_at}, before it began"
