"""Whether the servers that Tocsin stands on answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from storage.postgres import UNREACHABLE
from storage.shards import Shards


async def check_servers(shards: Shards) -> dict[str, str]:
    """`ok` or what went wrong, by server."""
    answers = {}
    for shard in shards.all():
        answers["primary"] = await _ask(partial(_select, shard.database.primary_reads))
        for number, replica in enumerate(shard.database.replicas, start=1):
            answers[f"replica-{number}"] = await _ask(partial(_select, replica))
        answers["redis"] = await _ask(shard.redis.ping)
    return answers


async def _ask(question: Callable[[], Awaitable[object]]) -> str:
    try:
        await question()
    except (RedisError, *UNREACHABLE) as error:
        return str(error) or type(error).__name__
    return "ok"


async def _select(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
