"""The minute clock: enqueues housekeeping. Only one is needed; two do no harm."""

from __future__ import annotations

import structlog
from periodiq import PeriodiqMiddleware, Scheduler

from storage.queue import make_broker
from workers.actors import declare_names

log = structlog.get_logger()


def run_clock(redis_url: str) -> None:
    """Enqueue what is due, minute by minute, in the process's main thread.

    Raises:
        redis.RedisError: When Redis is away; whoever started the process starts it again.
    """
    broker = make_broker(redis_url, [PeriodiqMiddleware(skip_delay=30)])
    declare_names(broker)
    scheduler = Scheduler(actors=list(broker.actors.values()))
    log.info("clock.started", actors=sorted(broker.actors))
    scheduler.schedule()
    scheduler.loop()
