"""Claimed runs that a dispatcher holds until they are to be handed over, by service."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from commands.claim_runs import ClaimedRun


class Held:
    """Services take turns; within a service what is due first comes first."""

    def __init__(self) -> None:
        self._lines: dict[UUID, list[ClaimedRun]] = {}
        self._ids: set[UUID] = set()

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, run_id: object) -> bool:
        return run_id in self._ids

    @property
    def by_service(self) -> dict[UUID, int]:
        """How many there are of each service."""
        return {service_id: len(line) for service_id, line in self._lines.items()}

    def add(self, runs: Iterable[ClaimedRun]) -> None:
        """Hold runs; one that is held already stays where it is."""
        for run in runs:
            if run.id not in self._ids:
                self._ids.add(run.id)
                heapq.heappush(self._lines.setdefault(run.service_id, []), run)

    def next_due(self) -> datetime | None:
        """When the first falls due; it may be past."""
        return min((line[0].due_at for line in self._lines.values()), default=None)

    def pop(self, until: datetime, limit: int) -> list[ClaimedRun]:
        """Take out what is due by `until`, one of each service, then the next of each."""
        batch: list[ClaimedRun] = []
        in_turn = self._due(until)
        while in_turn and len(batch) < limit:
            for line in in_turn[: limit - len(batch)]:
                batch.append(heapq.heappop(line))  # noqa: PERF401 (one of each, and on)
            in_turn = [line for line in in_turn if line and line[0].due_at <= until]
        self._forget(batch)
        return batch

    def pop_few(self, until: datetime, most: int) -> list[ClaimedRun]:
        """Take out all that is due by `until` of those services of which that is at most `most`."""
        batch: list[ClaimedRun] = []
        for line in self._due(until):
            due: list[ClaimedRun] = []
            while line and line[0].due_at <= until and len(due) <= most:
                due.append(heapq.heappop(line))
            if len(due) <= most:
                batch += due
            else:
                for run in due:
                    heapq.heappush(line, run)
        self._forget(batch)
        return batch

    def _due(self, until: datetime) -> list[list[ClaimedRun]]:
        return [line for line in self._lines.values() if line[0].due_at <= until]

    def _forget(self, batch: list[ClaimedRun]) -> None:
        self._ids.difference_update([run.id for run in batch])
        served_last_first = dict.fromkeys(run.service_id for run in reversed(batch))
        for service_id in reversed(served_last_first):
            # Who was served goes to the end, in the order in which they were: where the limit cuts
            # a round off, others begin next.
            line = self._lines.pop(service_id)
            if line:
                self._lines[service_id] = line
