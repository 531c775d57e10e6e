"""Judges of a history, one file a promise: what is broken of it, if anything is."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.chaos.checks import (
    accepted,
    accounting,
    delivering,
    ending,
    lateness,
    max_runs,
    overlap,
    statistics,
)
from tests.chaos.history import History, Violation

CHECKS: tuple[Callable[[History], Iterator[Violation]], ...] = (
    accounting.check,
    max_runs.check,
    delivering.check,
    overlap.check,
    ending.check,
    accepted.check,
    statistics.check,
    lateness.check,
)


def violations_of(history: History) -> list[Violation]:
    """All that is broken, with what was seen on the spot."""
    found = [
        Violation(promise=one.promise, said=one.said, at=one.at, job_id=one.job_id)
        for one in history.complaints
    ]
    for check in CHECKS:
        found += check(history)
    return found
