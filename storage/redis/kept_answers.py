"""How much a service has kept under its idempotency keys: counted in Redis, for all processes."""

from __future__ import annotations

import math
from uuid import UUID

from domain.access.idempotency import KEPT
from storage.redis.connection import RedisAway, RedisLink
from storage.redis.rate_limits import Bucket, RateLimits

KEPT_KIB_A_DAY = 2 * 1024 * 1024
"""Of answers and what goes with them; an answer counts as one KiB at least."""
_LONGEST_WAIT = 60


class KeptAnswers:
    """Each answer is kept for a day, so that of no service more than two days' worth is there.

    The request is counted before it is carried out, as if its answer were as long: that shows what
    was asked for, and little more.
    """

    def __init__(self, link: RedisLink) -> None:
        self._limits = RateLimits(link, int(KEPT.total_seconds()))

    async def full_for(self, service_id: UUID, size: int) -> int:
        """Count an answer and return 0; without room for it, the seconds until there may be.

        While Redis is away, all is let through.

        Args:
            size: Bytes of the request.
        """
        wanted = 1 + size // 1024
        try:
            grant = await self._limits.take((kept_by(service_id),), wanted)
        except RedisAway:
            return 0
        if grant.count == wanted:
            return 0
        return min(math.ceil(grant.later_seconds) + 1, _LONGEST_WAIT)


def kept_by(service_id: UUID) -> Bucket:
    """What a service may have kept a day."""
    return Bucket(f"answers:{service_id.hex}", KEPT_KIB_A_DAY)
