"""How full Redis is; and what goes on where it is, because it is little and must be known.

Redis refuses what takes memory once it has come to `maxmemory` (and must not evict: messages would
be lost). What fills it is the cache, which keeps away from there. What moves the queue, tells of
commits and counts requests is written in scripts that are let through all the same.
"""

from __future__ import annotations

import asyncio
from typing import Any

from msgspec import Struct

from storage.redis.connection import RedisAway, RedisLink

ALWAYS = "#!lua flags=allow-oom\n"
"""First line of a script that Redis (7 or newer) runs also when it is full."""
CACHE_SHARE = 0.8
"""Of all memory, so much may be in use before nothing more is cached."""
LOOK_SECONDS = 1.0


class Memory(Struct, frozen=True):
    """Attributes:
    used: Bytes in use.
    most: `maxmemory`; 0 where there is no bound.
    """

    used: int
    most: int

    @property
    def share(self) -> float:
        """How full it is."""
        return self.used / self.most if self.most else 0.0


async def memory_of(link: RedisLink) -> Memory:
    """Ask how full Redis is.

    Raises:
        RedisAway: When it does not answer in time.
    """
    said: bytes = await link.call(lambda _: ("INFO", "memory"))
    return memory_in(dict(line.split(":", 1) for line in said.decode().split() if ":" in line))


def memory_in(facts: dict[str, Any]) -> Memory:
    """What `INFO` says of it."""
    return Memory(int(facts["used_memory"]), int(facts["maxmemory"]))


class CacheRoom:
    """Whether there is room for what is cached.

    Attributes:
        is_there: As it was a moment ago.
    """

    def __init__(self, link: RedisLink) -> None:
        self.is_there = True
        self._link = link

    async def look(self) -> None:
        """Look how full Redis is; while it is away, nothing is cached anyhow."""
        try:
            memory = await memory_of(self._link)
        except RedisAway:
            return
        self.is_there = memory.share < CACHE_SHARE

    async def watch(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)
