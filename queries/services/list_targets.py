"""A service's targets as workers see them, those in trouble first."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

from msgspec import Struct

from domain.access.caller import Caller
from domain.targets.health.breaker import BreakerState
from domain.targets.health.target_status import TargetStatus, merged
from storage.redis.target_status import published_status
from storage.shards import Shards


class ListTargets(Struct, frozen=True, kw_only=True):
    caller: Caller
    now: datetime


async def list_targets(query: ListTargets, shards: Shards) -> list[TargetStatus]:
    """The targets that were rung lately.

    Raises:
        RedisAway: When nothing can be told, since Redis does not answer.
        ShareUsedUp: When the service asks this too often at once.
    """
    service_id = query.caller.service_id
    shard = shards.of(service_id)
    async with shard.reads.costly(service_id):
        views = await published_status(shard.targets_redis, service_id, query.now)
    same = defaultdict(list)
    for view in views:
        same[view.kind, view.name].append(view)
    targets = [merged(several) for several in same.values()]
    targets.sort(key=lambda view: view.seen_at, reverse=True)
    targets.sort(key=lambda view: view.state is BreakerState.CLOSED)
    return targets
