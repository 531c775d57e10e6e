"""Handing committed runs over at once, where a sweep would find them a moment later."""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from dramatiq import BrokerError
from redis.exceptions import RedisError

from storage.error_kinds import kind_of
from storage.queue.broker import RunKey
from storage.shards import Shard

log = structlog.get_logger()


async def dispatch_soon(shard: Shard, runs: Sequence[RunKey]) -> None:
    """Send runs to the workers; with Redis away, the sweep hands them over when it is back."""
    try:
        await shard.queue.dispatch_now(runs)
    except (RedisError, BrokerError) as error:
        log.warning("runs.not_handed_over", count=len(runs), error=kind_of(error))
