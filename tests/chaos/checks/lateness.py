"""No run is later than what happened to it explains."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from tests.chaos.history import Fault, History, Run, Violation, grouped

# On a machine that others use too, with nothing wrong.
UNDISTURBED = timedelta(seconds=5)
# What a fault of a process may cost at most, in seconds, however long it lasts: a heartbeat lapses
# after 6 s, an idle transaction ends after 5 s.
COST = {
    "kill": {"dispatcher": 4, "worker": 12, "api": 2, "clock": 2},
    "term": {"dispatcher": 4, "worker": 8, "api": 2, "clock": 2},
    "stop": {"dispatcher": 8, "worker": 14, "api": 8, "clock": 2},
    "clock": {"dispatcher": 8, "worker": 14, "clock": 2},
    "memory": {"worker": 14},
}
# Servers that are away, or full, cost what they take and the time to come back from it.
COMING_BACK = timedelta(seconds=15)
BEFORE = timedelta(seconds=10)


def check(history: History) -> Iterator[Violation]:
    """Judge the first rings of runs that wait for nobody, at a target that behaves.

    What comes late while the machine has no processor for it is not judged.
    """
    changed = grouped([row for row in history.audit if row.action != "job.created"], "object_id")
    runs = {run.id: run for run in history.runs}
    for delivery in history.deliveries:
        run = runs.get(delivery.webhook_id)
        if run is None or not _is_plain(run, delivery.attempt, delivery.path):
            continue
        late = delivery.arrived_at - run.due_at
        if late <= UNDISTURBED:
            continue
        # What was paused or edited meanwhile may be late by that.
        if any(run.due_at <= row.at for row in changed.get(run.job_id, ())):
            continue
        explained = _explained(history, run.due_at, delivery.arrived_at)
        if late > explained and not history.was_busy(run.due_at, delivery.arrived_at):
            said = f"run {run.id} rang {late.total_seconds():.1f} s late,"
            said += f" {explained.total_seconds():.1f} s are explained"
            yield Violation(promise="lateness", said=said, at=run.due_at, job_id=run.job_id)


def worst(history: History) -> float:
    """The worst lateness that is judged here, in seconds."""
    runs = {run.id: run for run in history.runs}
    return max(
        (
            (one.arrived_at - run.due_at).total_seconds()
            for one in history.deliveries
            if (run := runs.get(one.webhook_id)) and _is_plain(run, one.attempt, one.path)
        ),
        default=0.0,
    )


def _is_plain(run: Run, attempt: int, path: str) -> bool:
    return (
        run.overlap == "allow_all"
        and run.trigger in ("schedule", "manual")
        and attempt == run.attempt_count == 1
        and path.startswith("/ok")
    )


def _explained(history: History, due_at: datetime, arrived_at: datetime) -> timedelta:
    faults = history.faults_between(due_at - BEFORE, arrived_at)
    return UNDISTURBED + sum((_cost(fault) for fault in faults), timedelta())


def _cost(fault: Fault) -> timedelta:
    if fault.kind == "housekeeping":
        return timedelta()
    for process, seconds in COST.get(fault.kind, {}).items():
        if f": {process}-" in fault.target:
            return timedelta(seconds=seconds)
    return fault.healed_at - fault.begun_at + COMING_BACK
