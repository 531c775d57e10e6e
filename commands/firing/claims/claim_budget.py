"""How much of a claim's work is each service's, and what is set aside for a later claim."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from uuid import UUID

from prometheus_client import Counter as Metric

from domain.schedules.schedule import Schedule

SET_ASIDE = Metric(
    "tocsin_claims_set_aside_total",
    "Jobs left to a later claim, since what they exclude took too long to reckon.",
)
SERVICE_STEPS = 80_000
"""What a service's schedules may cost in one claim: at most about a tenth of a second."""
ALL_STEPS = 320_000
STEPS_BETWEEN_YIELDS = 5_000
"""After so many steps without a pause, others on the event loop get their turn."""
REST = timedelta(seconds=1)
_LONGEST_REST = timedelta(seconds=60)


def is_plain(schedule: Schedule) -> bool:
    """Whether it costs next to nothing, as nearly all do: these are not even counted."""
    return not (schedule.exclude or schedule.specs)


class ClaimWork:
    """What one claim has reckoned so far."""

    def __init__(self) -> None:
        self._steps: Counter[UUID] = Counter()
        self._reckoned: Counter[UUID] = Counter()
        self._set_aside: Counter[UUID] = Counter()
        self._since_yield = 0

    def is_used_up(self, service_id: UUID, schedule: Schedule) -> bool:
        """Whether the schedule is costly, and its service or the claim has used up its steps."""
        if is_plain(schedule):
            return False
        spent = self._steps[service_id] >= SERVICE_STEPS
        return spent or self._steps.total() >= ALL_STEPS

    async def note(self, service_id: UUID, schedule: Schedule) -> None:
        """Count what a job has cost."""
        steps = schedule.work.steps
        self._steps[service_id] += steps
        self._reckoned[service_id] += 1
        self._since_yield += steps
        if self._since_yield >= STEPS_BETWEEN_YIELDS:
            self._since_yield = 0
            await asyncio.sleep(0)

    def rest(self, service_id: UUID) -> timedelta:
        """How long a job is set aside: the more of its service are, the longer."""
        SET_ASIDE.inc()
        self._set_aside[service_id] += 1
        claims = 1 + self._set_aside[service_id] // max(self._reckoned[service_id], 1)
        return min(claims * REST, _LONGEST_REST)
