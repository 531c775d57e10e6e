"""Whether a server answers, in a word or two."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from dramatiq import BrokerError
from redis.exceptions import RedisError

from storage.migrate import is_migrated
from storage.postgres import UNREACHABLE, Database
from storage.redis_link import RedisAway

OK = "ok"


async def asked(question: Callable[[], Awaitable[object]]) -> str:
    """What it answers if that is a text, `ok` for anything else, or what went wrong."""
    try:
        answer = await question()
    except (RedisAway, RedisError, BrokerError, *UNREACHABLE) as error:
        return str(error) or type(error).__name__
    return answer if isinstance(answer, str) else OK


async def look_at_schema(database: Database) -> str:
    """Whether the primary answers, and has the tables that this code needs."""
    return OK if await is_migrated(database) else "waits for `tocsin migrate`"
