"""The minute clock: enqueues housekeeping. Only one is needed; two do no harm."""

from __future__ import annotations

import signal
import time

import structlog
from dramatiq.errors import BrokerError
from periodiq import PeriodiqMiddleware, Scheduler
from redis.exceptions import RedisError

from storage.queue import make_broker
from workers.actors import declare_names

log = structlog.get_logger()
RETRY_SECONDS = 1.0


def run_clock(redis_url: str) -> None:
    """Enqueue what is due, minute by minute, in the process's main thread.

    A minute in which Redis is away is left out: the next one's housekeeping does its work, too.
    """
    broker = make_broker(redis_url, [PeriodiqMiddleware(skip_delay=30)])
    declare_names(broker)
    log.info("clock.started", actors=sorted(broker.actors))
    while True:
        try:
            _tick(Scheduler(actors=list(broker.actors.values())))
        except (RedisError, BrokerError) as error:
            log.warning("clock.waiting_for_redis", error=str(error))
            time.sleep(RETRY_SECONDS)


def _tick(scheduler: Scheduler) -> None:
    try:
        scheduler.schedule()
        scheduler.loop()
    finally:
        # Its alarm would end a process that is about to end by itself.
        signal.alarm(0)
