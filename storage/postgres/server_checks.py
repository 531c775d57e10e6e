"""Whether a server answers, in a word or two of our own: what it says itself is for our logs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog
from dramatiq import BrokerError
from redis.exceptions import RedisError

from storage.error_kinds import kind_of
from storage.postgres.pools import UNREACHABLE, Database
from storage.redis.connection import RedisAway
from storage.schema.migrate import is_migrated

log = structlog.get_logger()
OK = "ok"
AWAY = "does not answer"


async def asked(question: Callable[[], Awaitable[object]]) -> str:
    """What it answers if that is a text, `ok` for anything else, or that it does not answer."""
    try:
        answer = await question()
    except (RedisAway, RedisError, BrokerError, *UNREACHABLE) as error:
        log.warning("server.away", error=kind_of(error))
        return AWAY
    return answer if isinstance(answer, str) else OK


async def look_at_schema(database: Database) -> str:
    """Whether the primary answers, and has the tables that this code needs."""
    return OK if await is_migrated(database) else "waits for `tocsin migrate`"
