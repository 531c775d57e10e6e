"""Entry points of the command line: dispatcher, worker, clock. Each imports only its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import structlog

from domain.ids import new_id
from domain.targets import Allowed
from storage.crypto.encryption_keys import EncryptionKeys
from storage.error_kinds import kind_of
from storage.gc_tuning import collect_rarely
from storage.urls import ShardUrls
from workers.process_health import ProcessHealth

log = structlog.get_logger()
POOL_SIZE = 6
STOP_SECONDS = 5.0
DISPATCHER_ENDS_SECONDS = 8.0
WORKER_ENDS_SECONDS = 35.0
"""How long a process may take to end; its host waits longer (k8s/base)."""


async def run_dispatcher(urls: ShardUrls, stop: asyncio.Event, health: ProcessHealth) -> None:
    """Dispatch until `stop` is set."""
    from storage.shards import Shards
    from workers.dispatcher.process import TROUBLE, Dispatcher

    collect_rarely()
    shards = Shards(urls, pool_size=POOL_SIZE)
    (shard,) = shards.all()
    dispatcher = Dispatcher(shard, new_id(), health)
    async with asyncio.TaskGroup() as tasks:
        work = [tasks.create_task(one) for one in (health.run(), dispatcher.run())]
        await stop.wait()
        for task in work:
            task.cancel()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await dispatcher.stop()
    except (*TROUBLE, TimeoutError) as error:
        # Sweeps of other dispatchers find runs that were not dispatched.
        log.warning("dispatcher.not_stopped_cleanly", error=kind_of(error))
    await shards.close()
    log.info("dispatcher.stopped")


async def run_worker(
    urls: ShardUrls,
    stop: asyncio.Event,
    *,
    retention: timedelta,
    allowed: Allowed,
    proxy: str | None,
    name_servers: Sequence[str],
    keys: EncryptionKeys,
    health: ProcessHealth,
) -> None:
    """Ring until `stop` is set.

    Args:
        allowed: What the operator allows targets to be.
        proxy: URL of the HTTP proxy for HTTP targets, if any.
        name_servers: Where names of targets are looked up, if not at the system's.
        keys: The keys that secrets are encrypted with.
        health: Where the process reports its health.
    """
    from storage.shards import Shards
    from workers.worker.process import Worker

    collect_rarely()
    shards = Shards(urls, pool_size=POOL_SIZE)
    (shard,) = shards.all()
    worker = Worker(
        shard,
        retention=retention,
        allowed=allowed,
        proxy=proxy,
        name_servers=name_servers,
        keys=keys,
        health=health,
    )
    reporting = asyncio.create_task(health.run())
    await worker.run(stop)
    reporting.cancel()
    await shards.close()


def run_clock(redis_url: str, health: ProcessHealth) -> None:
    """Enqueue housekeeping each minute until the process is killed."""
    from workers.housekeeping.clock import run_clock as run

    run(redis_url, health)
