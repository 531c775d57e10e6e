"""Whether the servers that Tocsin stands on answer."""

from __future__ import annotations

from functools import partial

from storage.postgres.pools import Server
from storage.postgres.server_checks import asked, look_at_schema
from storage.shards import Shards


async def check_servers(shards: Shards) -> dict[str, str]:
    """`ok` or what went wrong, by server."""
    answers = {}
    for shard in shards.all():
        answers["primary"] = await asked(partial(look_at_schema, shard.database))
        for replica in shard.replicas.all:
            answers[replica.name] = await asked(partial(_select, replica.server))
        answers["redis"] = await asked(shard.redis.ping)
    return answers


async def _select(server: Server) -> None:
    async with server.connection() as driver:
        await driver.execute("SELECT 1")
