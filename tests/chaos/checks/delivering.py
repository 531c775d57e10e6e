"""What is recorded was delivered, what was delivered is recorded, and nothing comes early."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from tests.chaos.history import Attempt, Delivery, History, Run, Violation

CLOCK_BOUND = timedelta(seconds=1)
# An attempt begins with those of the next milliseconds; the rest is this machine.
GATHERED = timedelta(milliseconds=100)
# What a process with a wrong clock made may be in hand for some seconds.
CLOCK_LASTS = timedelta(seconds=10)


def check(history: History) -> Iterator[Violation]:
    """Judge all deliveries, and all attempts."""
    runs = {run.id: run for run in history.runs}
    deliveries: dict[tuple[str, int], list[Delivery]] = {}
    for one in history.deliveries:
        deliveries.setdefault((one.webhook_id, one.attempt), []).append(one)
    for (run_id, number), same in deliveries.items():
        first, run = min(same, key=lambda one: one.arrived), runs.get(run_id)
        if run is None:
            said = f"a delivery of run {run_id}, which there is not, at {first.path}"
            yield Violation(promise="deliveries", said=said, at=first.arrived_at)
            continue
        goes_on = history.too_busy and run.is_open
        if number > run.attempt_count and not goes_on:
            said = f"run {run_id} rang attempt {number}, and tells of {run.attempt_count}"
            yield _violation(said, first, run)
        if len(same) > 1:
            said = f"attempt {number} of run {run_id} rang {len(same)} times"
            yield _violation(said, first, run)
        if early := _early_by(history, run, first):
            said = f"attempt {number} of run {run_id} rang {early.total_seconds():.3f} s early"
            yield _violation(said, first, run)
    yield from _recorded(history.attempts, runs, deliveries)


def _recorded(
    attempts: list[Attempt],
    runs: dict[str, Run],
    deliveries: dict[tuple[str, int], list[Delivery]],
) -> Iterator[Violation]:
    for attempt in attempts:
        if attempt.status_code is None:
            continue
        same = deliveries.get((attempt.run_id, attempt.number), [])
        if attempt.status_code not in {one.status for one in same}:
            yield Violation(
                promise="deliveries",
                said=f"attempt {attempt.number} of run {attempt.run_id} is recorded with"
                f" {attempt.status_code}, the receiver answered {[one.status for one in same]}",
                at=attempt.started_at,
                job_id=runs[attempt.run_id].job_id if attempt.run_id in runs else None,
            )


def _early_by(history: History, run: Run, first: Delivery) -> timedelta | None:
    # The next attempt has a due instant of its own, also where it is cancelled before it rings.
    due = run.due_at if run.ended_with_its_first else run.scheduled_for
    if run.trigger != "schedule" or first.attempt > 1:
        return None
    bound = GATHERED
    if history.clock_was_wrong(first.arrived_at, first.arrived_at, within=CLOCK_LASTS):
        bound += CLOCK_BOUND
    early = due - first.arrived_at
    return early if early > bound else None


def _violation(said: str, first: Delivery, run: Run) -> Violation:
    return Violation(promise="deliveries", said=said, at=first.arrived_at, job_id=run.job_id)
