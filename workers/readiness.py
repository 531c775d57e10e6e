"""Checks the servers of a shard and the clock, on behalf of another thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from storage.postgres.clock_offset import read_clocks
from storage.postgres.server_checks import OK, asked, look_at_schema
from storage.shards import Shard
from workers.process_health import Servers

CHECK_SECONDS = 2.0


def asks(shard: Shard) -> Callable[[], Servers]:
    """A check that any thread may call; it runs on the current event loop."""
    return partial(_ask_on, asyncio.get_running_loop(), shard)


def _ask_on(loop: asyncio.AbstractEventLoop, shard: Shard) -> Servers:
    asking = asyncio.run_coroutine_threadsafe(_servers_of(shard), loop)
    try:
        return asking.result(CHECK_SECONDS)
    except TimeoutError:
        asking.cancel()
        return {"servers": f"no answer within {CHECK_SECONDS:g} s"}


async def _servers_of(shard: Shard) -> Servers:
    primary, redis = await asyncio.gather(
        asked(partial(look_at_schema, shard.database)), asked(shard.queue.depth)
    )
    clock = shard.database.clock.trouble(read_clocks())
    return {"primary": primary, "redis": redis, "clock": clock or OK}
