"""Tells, about once a second, what this worker process knows of its targets."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from domain.target_view import TargetView
from storage.error_kinds import kind_of
from storage.redis_link import RedisAway
from storage.shards import Shard
from storage.target_views import tell
from workers.targets.limits.target_limiter import Gate, Gates

log = structlog.get_logger()
INTERVAL_SECONDS = 1.0
TELL_AGAIN = timedelta(seconds=20)
"""What has not changed is told anew so often: readers must see that the process lives."""


class Teller:
    """Nothing waits for it, and nothing depends on what it tells."""

    def __init__(self, shard: Shard, worker_id: UUID, gates: Gates) -> None:
        self._shard = shard
        self._worker_id = worker_id
        self._gates = gates
        self._told_all_at: datetime | None = None

    async def run(self) -> None:
        """Tell until cancelled."""
        while True:
            try:
                await self.tell(datetime.now(UTC))
            except RedisAway as error:
                log.warning("targets.not_told", error=kind_of(error))
                self._told_all_at = None
            await asyncio.sleep(INTERVAL_SECONDS)

    async def tell(self, now: datetime) -> None:
        """Tell of the services of which something has changed, and now and then of all.

        Raises:
            RedisAway: When Redis does not answer.
        """
        tells_all = self._told_all_at is None or now - self._told_all_at >= TELL_AGAIN
        if tells_all:
            self._gates.forget(now)
        changed = {gate.holder for gate in self._gates if gate.changed or tells_all}
        views: dict[UUID, list[Gate]] = defaultdict(list)
        for gate in self._gates:
            if gate.holder in changed and gate.was_rung:
                views[gate.holder.service_id].append(gate)
                gate.changed = False
        await tell(self._shard.redis, self._worker_id, _views(views), now)
        if tells_all:
            self._told_all_at = now


def _views(gates: dict[UUID, list[Gate]]) -> dict[UUID, list[TargetView]]:
    return {
        service_id: [
            gate.view for gate in sorted(of_it, key=lambda gate: gate.seen_at, reverse=True)
        ]
        for service_id, of_it in gates.items()
    }
