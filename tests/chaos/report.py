"""Tells of a seed: a line when all is well, the story around each violation when it is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from tests.chaos.checks.lateness import worst
from tests.chaos.history import History, Violation
from tests.chaos.pressure import BUSY

AROUND = timedelta(seconds=10)
TOLD = 6
"""Of each promise; the rest is counted."""


def summary(history: History, violations: Sequence[Violation], cpu: float) -> str:
    """One line."""
    kinds = Counter(fault.target.partition(":")[0] for fault in history.faults)
    faults = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    counted = sum(row.count or 0 for row in history.ledger)
    runs = sum(run.trigger == "schedule" for run in history.runs)
    return (
        f"seed {history.seed}: {len(history.runs)} runs, {runs + counted} instants,"
        f" {len(history.deliveries)} deliveries, {len(history.ops)} calls;"
        f" faults: {faults or 'none'}; worst lateness {worst(history):.1f} s;"
        f" {cpu:.2f} cores;{_busy(history)} {len(violations)} violations"
    )


def _busy(history: History) -> str:
    """What is to be known of the machine: where it was busy, lateness is not judged."""
    if not history.pressures:
        return ""
    percents = [one.percent for one in history.pressures]
    busy = sum(percent >= BUSY for percent in percents) / len(percents)
    said = f" somebody waited for a processor {sum(percents) / len(percents):.0f} % of the time"
    if busy:
        said += f", what was late or missed is not judged in {busy:.0%} of it"
    return f"{said};"


def story(history: History, violations: Sequence[Violation]) -> Iterator[str]:
    """Each violation, with the faults and the calls around it."""
    told: Counter[str] = Counter()
    for one in violations:
        told[one.promise] += 1
        if told[one.promise] <= TOLD:
            yield from _told(history, one)
    for promise, count in told.items():
        if count > TOLD:
            yield f"… and {count - TOLD} more of {promise}"


def _told(history: History, violation: Violation) -> Iterator[str]:
    at = f" at {violation.at:%H:%M:%S.%f}" if violation.at else ""
    yield f"VIOLATION of {violation.promise}{at}: {violation.said}"
    if violation.job_id in history.jobs:
        body = history.jobs[violation.job_id].body
        kept = {name: body[name] for name in ("schedule", "overlap", "catchup") if name in body}
        yield f"    job {violation.job_id} {kept} {body['target']['url'].partition('//')[2]}"
    if violation.at is not None:
        yield from (f"    {line}" for line in _around(history, violation.at, violation.job_id))


def _around(history: History, at: datetime, job_id: str | None) -> list[str]:
    lines = [
        (
            fault.begun_at,
            f"{fault.begun_at:%H:%M:%S.%f} to {fault.healed_at:%H:%M:%S.%f} {fault.target[:200]}",
        )
        for fault in history.faults_between(at - AROUND, at + AROUND)
    ]
    lines += [
        (op.sent_at, f"{op.sent_at:%H:%M:%S.%f} {op.kind} {op.status} {op.detail}")
        for op in history.ops
        if op.job_id == job_id is not None and abs(op.sent_at - at) <= AROUND
    ]
    return [line for _, line in sorted(lines)]
