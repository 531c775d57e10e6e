"""Publishes the status of each target about once a second, for `GET /targets`."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from domain.targets.health.target_status import TargetStatus
from storage.error_kinds import kind_of
from storage.redis.connection import RedisAway
from storage.redis.target_status import tell
from storage.shards import Shard
from workers.targets.limits.target_limiter import TargetLimiter, TargetLimiters

log = structlog.get_logger()
INTERVAL_SECONDS = 1.0
REPUBLISH_AFTER = timedelta(seconds=20)
"""A status that has not changed is published again every 20 s: it shows that the process lives."""


class TargetStatusPublisher:
    """Publishes to Redis; firing does not depend on it."""

    def __init__(self, shard: Shard, worker_id: UUID, limiters: TargetLimiters) -> None:
        self._shard = shard
        self._worker_id = worker_id
        self._limiters = limiters
        self._published_all_at: datetime | None = None

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            try:
                await self.publish(datetime.now(UTC))
            except RedisAway as error:
                log.warning("targets.not_told", error=kind_of(error))
                self._published_all_at = None
            await asyncio.sleep(INTERVAL_SECONDS)

    async def publish(self, now: datetime) -> None:
        """Publish the targets of services with a changed target; every 20 s those of all services.

        Raises:
            RedisAway: When Redis does not answer.
        """
        last = self._published_all_at
        publishes_all = last is None or now - last >= REPUBLISH_AFTER
        if publishes_all:
            self._limiters.forget(now)
        changed = {one.leases for one in self._limiters if one.changed or publishes_all}
        limiters: dict[UUID, list[TargetLimiter]] = defaultdict(list)
        for limiter in self._limiters:
            if limiter.leases in changed and limiter.was_rung:
                limiters[limiter.leases.service_id].append(limiter)
                limiter.changed = False
        views = {service_id: _views(those) for service_id, those in limiters.items()}
        await tell(self._shard.redis, self._worker_id, views, now)
        if publishes_all:
            self._published_all_at = now


def _views(limiters: list[TargetLimiter]) -> list[TargetStatus]:
    latest_first = sorted(limiters, key=lambda limiter: limiter.seen_at, reverse=True)
    return [limiter.view for limiter in latest_first]
