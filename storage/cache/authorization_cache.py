"""Answers that last: what decides who may do what, kept in this process alone.

Only commands that invalidate everything cached of their service change them. So an answer is right
as long as nothing became invalid since it was read, and Redis, which knows that, need not hold it:
who can write there makes nobody an administrator.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Generic, TypeVar, cast
from uuid import UUID

from cachetools import LRUCache
from msgspec import Struct

from storage.cache.cache_entry import ConsistencyToken, kept_until
from storage.cache.consistency_tokens import ConsistencyTokens
from storage.postgres.pools import Driver

KEPT = 20_000
"""Answers at most; the least recently used are forgotten."""

Answer = TypeVar("Answer")


class CachedAnswer(Struct, Generic[Answer], frozen=True):
    """What a query read.

    Attributes:
        ends: When that changes by itself; at once, if it is not to be kept.
    """

    answer: Answer
    ends: datetime | None = None


Load = Callable[[Driver], Awaitable[CachedAnswer[Answer]]]
ReadAt = Callable[[ConsistencyToken | None, Load[Any]], Awaitable[CachedAnswer[Any]]]
"""Reads from a server that has replayed a token, or from the primary."""


class _Kept(Struct, frozen=True):
    answer: object
    lsn: int
    until: datetime


class AuthorizationCache:
    """Keeps such answers; each read asks Redis what has become invalid for the service.

    Args:
        read_at: How to read from Postgres.
    """

    def __init__(self, consistency_tokens: ConsistencyTokens, read_at: ReadAt) -> None:
        self._consistency_tokens = consistency_tokens
        self._read_at = read_at
        self._kept: LRUCache[tuple[int, str], _Kept] = LRUCache(KEPT)

    async def read(self, service_id: UUID, name: str, now: datetime, load: Load[Answer]) -> Answer:
        """The answer under a name.

        Args:
            name: The same for the same answer, within a service.
            load: How Postgres is asked; it may be asked twice when a server fails.
        """
        key = (service_id.int, name)
        looked = await self._consistency_tokens.look(service_id)
        token = looked.token if looked else None
        kept = self._kept.get(key)
        if kept and token and kept.lsn >= token.invalid_before and now < kept.until:
            return cast("Answer", kept.answer)
        found: CachedAnswer[Answer] = await self._read_at(token, load)
        until = kept_until(now, found.ends)
        if token and now < until:
            self._kept[key] = _Kept(found.answer, token.lsn, until)
        return found.answer
