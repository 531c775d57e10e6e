"""Claimed runs that a dispatcher keeps until they are to be dispatched."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from commands.firing.claims.claim_runs import ClaimedRun


class ClaimedBuffer:
    """Serves services in rotation, and within a service the run that is due first."""

    def __init__(self) -> None:
        self._queues: dict[UUID, list[ClaimedRun]] = {}
        self._ids: set[UUID] = set()

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, run_id: object) -> bool:
        return run_id in self._ids

    @property
    def by_service(self) -> dict[UUID, int]:
        """The number of runs of each service."""
        return {service_id: len(queue) for service_id, queue in self._queues.items()}

    def add(self, runs: Iterable[ClaimedRun]) -> None:
        """Keep runs; one that is kept already stays where it is."""
        for run in runs:
            if run.id not in self._ids:
                self._ids.add(run.id)
                heapq.heappush(self._queues.setdefault(run.service_id, []), run)

    def next_due(self) -> datetime | None:
        """When the first run is due; maybe in the past."""
        return min((queue[0].due_at for queue in self._queues.values()), default=None)

    def pop(self, until: datetime, limit: int) -> list[ClaimedRun]:
        """Remove runs due by `until`: one of each service, then the next of each."""
        batch: list[ClaimedRun] = []
        queues = self._due(until)
        while queues and len(batch) < limit:
            for queue in queues[: limit - len(batch)]:
                batch.append(heapq.heappop(queue))  # noqa: PERF401 (one of each, and on)
            queues = [queue for queue in queues if queue and queue[0].due_at <= until]
        self._forget(batch)
        return batch

    def pop_few(self, until: datetime, most: int) -> list[ClaimedRun]:
        """Remove all runs due by `until` of the services with at most `most` of them."""
        batch: list[ClaimedRun] = []
        for queue in self._due(until):
            due: list[ClaimedRun] = []
            while queue and queue[0].due_at <= until and len(due) <= most:
                due.append(heapq.heappop(queue))
            if len(due) <= most:
                batch += due
            else:
                for run in due:
                    heapq.heappush(queue, run)
        self._forget(batch)
        return batch

    def _due(self, until: datetime) -> list[list[ClaimedRun]]:
        return [queue for queue in self._queues.values() if queue[0].due_at <= until]

    def _forget(self, batch: list[ClaimedRun]) -> None:
        self._ids.difference_update([run.id for run in batch])
        served_last_first = dict.fromkeys(run.service_id for run in reversed(batch))
        for service_id in reversed(served_last_first):
            # A served service goes to the end, in the order of service: where the limit cut a round
            # off, the services that were not served begin the next one.
            queue = self._queues.pop(service_id)
            if queue:
                self._queues[service_id] = queue
