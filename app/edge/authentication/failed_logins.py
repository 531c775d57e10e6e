"""Addresses that send bad credentials again and again are not listened to for a while."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from ipaddress import IPv6Address, ip_address, ip_network

from cachetools import LRUCache, TTLCache
from prometheus_client import Counter

from domain.access.scopes import INSTALLATION
from storage.redis.connection import RedisAway
from storage.redis.rate_limits import Bucket
from storage.shards import Shards

FAILED = Counter("tocsin_failed_logins_total", "Requests with credentials that are not good.")
A_MINUTE = 300
ADDRESSES = 10_000
TRUSTED = 20_000
TRUSTED_SECONDS = 600
_IPV6_NETWORK = 64  # one customer


class FailedLogins:
    """Counts failures by address, in Redis for all processes.

    Credentials that were good lately are looked up whatever their address sends besides: nobody
    locks out those who share an address.

    Args:
        clock: Seconds of a clock that only goes forward.
    """

    def __init__(self, shards: Shards, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = shards.of(INSTALLATION).rate_limits
        self._clock = clock
        self._closed_until: LRUCache[str, float] = LRUCache(ADDRESSES)
        self._trusted: TTLCache[bytes, None] = TTLCache(TRUSTED, TRUSTED_SECONDS, timer=clock)

    def closed_for(self, address: str, authorization: str) -> int:
        """For how many seconds credentials from an address are not looked at; 0 if they are."""
        seconds = self._closed_until.get(_network(address), 0.0) - self._clock()
        return 0 if seconds <= 0 or _digest(authorization) in self._trusted else math.ceil(seconds)

    def trust(self, authorization: str) -> None:
        """These credentials are good."""
        self._trusted[_digest(authorization)] = None

    async def note(self, address: str) -> None:
        """Credentials from an address were not good; while Redis is away, that has no effect."""
        FAILED.inc()
        network = _network(address)
        try:
            grant = await self._limits.take((Bucket(f"failed:{network}", A_MINUTE),), 1)
        except RedisAway:
            return
        if not grant.count:
            self._closed_until[network] = self._clock() + grant.later_seconds


def _digest(authorization: str) -> bytes:
    # A person's token may have 8 KiB.
    return sha256(authorization.encode()).digest()


@lru_cache(ADDRESSES)
def _network(address: str) -> str:
    """What one who sends requests can choose addresses from."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed, _IPV6_NETWORK), strict=False))
    return address
