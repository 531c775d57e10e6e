"""Whether the servers that Tocsin stands on answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from storage.migrate import is_migrated
from storage.postgres import UNREACHABLE, Database, Server
from storage.redis_link import RedisAway
from storage.shards import Shards


async def check_servers(shards: Shards) -> dict[str, str]:
    """`ok` or what went wrong, by server."""
    answers = {}
    for shard in shards.all():
        answers["primary"] = await _ask(partial(_look_at_schema, shard.database))
        for replica in shard.replicas.all:
            answers[replica.name] = await _ask(partial(_select, replica.server))
        answers["redis"] = await _ask(shard.redis.ping)
    return answers


async def _ask(question: Callable[[], Awaitable[object]]) -> str:
    try:
        answer = await question()
    except (RedisAway, *UNREACHABLE) as error:
        return str(error) or type(error).__name__
    return answer if isinstance(answer, str) else "ok"


async def _select(server: Server) -> None:
    async with server.connection() as driver:
        await driver.execute("SELECT 1")


async def _look_at_schema(database: Database) -> str:
    return "ok" if await is_migrated(database) else "waits for `tocsin migrate`"
