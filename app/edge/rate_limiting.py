"""How often each caller may call: limits of a user and of a service, for reads and for writes.

What a caller may use is taken from Redis ahead of its use, as a lease for a second at most. A busy
caller so costs Redis one call for many requests, and no limit is ever overshot: what a lease does
not use is lost, which is a hundredth of the limit at most in each process.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from functools import lru_cache

from cachetools import LRUCache
from msgspec import Struct
from prometheus_client import Counter

from app.edge.authentication.principals import Principal
from app.edge.response_headers import Headers
from domain.quotas.limits import Limits
from storage.redis.connection import RedisAway
from storage.redis.rate_limits import WINDOW_SECONDS, Bucket, Grant
from storage.shards import Shards

REFUSED = Counter("tocsin_rate_limited_requests_total", "Requests refused, by limit.", ["limit"])
UNLIMITED = Counter(
    "tocsin_unlimited_requests_total", "Requests let through uncounted, as Redis was away."
)
LEASE_SECONDS = 1.0
LARGEST_SHARE = 100
LEASES = 20_000


class Admitted(Struct, frozen=True):
    """Attributes:
    headers: What the answer is to tell of the limits.
    retry_after: Seconds after which to try again; None if the request may pass.
    limit: Which one it was, if not.
    """

    headers: Headers
    retry_after: int | None = None
    limit: str = ""


class _Lease:
    """What one caller may use without asking Redis again."""

    def __init__(self) -> None:
        self.grant: Grant | None = None
        self.left = 0
        self.size = 1
        self.until = 0.0
        self.asking: asyncio.Task[None] | None = None


class RateLimiting:
    """Counts requests; while Redis is away they pass, and a metric tells.

    Args:
        clock: Seconds of a clock that only goes forward.
    """

    def __init__(self, shards: Shards, clock: Callable[[], float] = time.monotonic) -> None:
        self._shards = shards
        self._clock = clock
        self._leases: LRUCache[tuple[str, int, bool], _Lease] = LRUCache(LEASES)

    async def admit(self, principal: Principal, *, reads: bool) -> Admitted:
        """Count a request, or refuse it.

        Args:
            reads: Whether it only reads.
        """
        # As a number: a UUID reckons its hash anew each time.
        key = (principal.name, principal.service_id.int, reads)
        lease = self._leases.get(key)
        if lease is None:
            lease = self._leases[key] = _Lease()
        try:
            grant = await self._use(lease, principal, reads=reads)
        except RedisAway:
            UNLIMITED.inc()
            return Admitted([])
        policy = _policy(principal.limits, reads)
        if grant.count:
            return Admitted([policy, _state(grant, lease.left)])
        seconds = max(math.ceil(lease.until - self._clock()), 1)
        limit = "user" if grant.levels[0].left < 1 else "service"
        REFUSED.labels(limit).inc()
        return Admitted([policy, _refusal(grant, seconds)], seconds, limit)

    async def _use(self, lease: _Lease, principal: Principal, *, reads: bool) -> Grant:
        """The grant that the request is counted in, or one of nothing."""
        while True:
            if lease.grant is not None and self._clock() < lease.until:
                if lease.left:
                    lease.left -= 1
                    return lease.grant
                if not lease.grant.count:
                    return lease.grant
            if lease.asking is None:
                lease.asking = asyncio.create_task(self._renew(lease, principal, reads=reads))
            await asyncio.shield(lease.asking)

    async def _renew(self, lease: _Lease, principal: Principal, *, reads: bool) -> None:
        buckets = _buckets(principal, reads)
        used_up = self._clock() < lease.until and not lease.left
        largest = max(min(bucket.limit for bucket in buckets) // LARGEST_SHARE, 1)
        lease.size = min(lease.size * 2, largest) if used_up else max(lease.size // 2, 1)
        shard = self._shards.of(principal.service_id)
        try:
            grant = await shard.rate_limits.take(buckets, lease.size)
            lease.grant, lease.left = grant, grant.count
            lease.until = self._clock() + (LEASE_SECONDS if grant.count else grant.later_seconds)
        finally:
            # Before this task ends: nobody may wait for one that has ended, in a loop without end.
            lease.asking = None


def _buckets(principal: Principal, reads: bool) -> tuple[Bucket, Bucket]:
    limits, service = principal.limits, principal.service_id.hex
    what = "read" if reads else "write"
    user, all_users = _per_minute(limits, reads)
    return (
        Bucket(f"{what}:{service}:{principal.name}", user),
        Bucket(f"{what}:{service}", all_users),
    )


def _per_minute(limits: Limits, reads: bool) -> tuple[int, int]:
    """Of a user, and of the service."""
    if reads:
        return limits.user_reads_per_minute, limits.reads_per_minute
    return limits.user_writes_per_minute, limits.writes_per_minute


@lru_cache(1_000)
def _policy(limits: Limits, reads: bool) -> tuple[bytes, bytes]:
    user, service = _per_minute(limits, reads)
    window = WINDOW_SECONDS
    text = f'"user";q={user};w={window}, "service";q={service};w={window}'
    return b"ratelimit-policy", text.encode()


def _state(grant: Grant, unused: int) -> tuple[bytes, bytes]:
    user, service = grant.levels
    text = (
        f'"user";r={user.left + unused};t={math.ceil(user.full_seconds)},'
        f' "service";r={service.left + unused};t={math.ceil(service.full_seconds)}'
    )
    return b"ratelimit", text.encode()


def _refusal(grant: Grant, seconds: int) -> tuple[bytes, bytes]:
    """What is left; a limit that is used up opens again when Retry-After says."""
    parts = []
    for name, level in zip(("user", "service"), grant.levels, strict=True):
        until = seconds if level.left < 1 else math.ceil(level.full_seconds)
        parts.append(f'"{name}";r={max(level.left, 0)};t={until}')
    return b"ratelimit", ", ".join(parts).encode()
