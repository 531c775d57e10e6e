"""Each run that ended is counted once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tests.chaos.history import FINAL, History, Violation


def check(history: History) -> Iterator[Violation]:
    """Compare what services are told with the runs that there are."""
    if history.too_busy:
        return  # they are told a moment later than runs are read
    service_of = {job.id: job.service_id for job in history.jobs.values()}
    counted: dict[str, Counter[str]] = {service: Counter() for service in history.service_stats}
    for run in history.runs:
        if (service := service_of.get(run.job_id)) in counted:
            counted[service][run.state] += 1
    for service, told in history.service_stats.items():
        for state in FINAL:
            if told.get(state, 0) != counted[service][state]:
                said = f"{told.get(state, 0)} are told {state}, there are {counted[service][state]}"
                yield Violation(promise="statistics", said=f"service {service}: {said}")
