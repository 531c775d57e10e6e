"""The processes of this folder, as the command line starts them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import structlog

from domain.ids import new_id
from storage.shards import Shards
from storage.urls import ShardUrls
from workers.clock import run_clock
from workers.dispatcher import TROUBLE, Dispatcher
from workers.targets.egress import networks
from workers.worker import Worker

log = structlog.get_logger()
__all__ = ["run_clock", "run_dispatcher", "run_worker"]
POOL_SIZE = 6
STOP_SECONDS = 5.0


async def run_dispatcher(urls: ShardUrls, stop: asyncio.Event) -> None:
    """Dispatch until `stop` is set."""
    shards = Shards(urls, pool_size=POOL_SIZE)
    (shard,) = shards.all()
    dispatcher = Dispatcher(shard, new_id())
    log.info("dispatcher.started")
    async with asyncio.TaskGroup() as tasks:
        work = tasks.create_task(dispatcher.run())
        await stop.wait()
        work.cancel()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await dispatcher.stop()
    except (*TROUBLE, TimeoutError) as error:
        # What was not handed over is found by the other dispatchers' sweeps.
        log.warning("dispatcher.not_stopped_cleanly", error=str(error))
    await shards.close()
    log.info("dispatcher.stopped")


async def run_worker(
    urls: ShardUrls, stop: asyncio.Event, *, retention: timedelta, allowed: Sequence[str]
) -> None:
    """Ring until `stop` is set.

    Args:
        allowed: Networks in CIDR notation that targets may lie in beside the public ones.
    """
    shards = Shards(urls, pool_size=POOL_SIZE)
    (shard,) = shards.all()
    worker = Worker(shard, retention=retention, allowed=networks(allowed))
    await worker.run(stop)
    await shards.close()
