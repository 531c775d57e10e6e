"""The minute clock: enqueues housekeeping. Only one is needed; two do no harm."""

from __future__ import annotations

import time

import structlog
from periodiq import PeriodiqMiddleware, Scheduler
from prometheus_client import Gauge
from redis import RedisError

from storage.clock_ticks import note_tick
from storage.queue import make_broker
from workers.actors import declare_names
from workers.vitals import TICK_SECONDS, Servers, Vitals

log = structlog.get_logger()
LAST_TICK = Gauge(
    "tocsin_clock_last_tick_seconds",
    "When the clock ticked last, in seconds since 1970.",
    multiprocess_mode="mostrecent",
)


class Clock(Scheduler):  # type: ignore[misc]
    """Periodiq's scheduler, of which it can be seen that it goes."""

    def __init__(self, redis_url: str, vitals: Vitals) -> None:
        self._broker = make_broker(redis_url, [PeriodiqMiddleware(skip_delay=30)])
        declare_names(self._broker)
        self._vitals = vitals
        super().__init__(actors=list(self._broker.actors.values()))

    def schedule(self) -> None:
        """Enqueue what is due, and have oneself woken at the next minute."""
        super().schedule()
        now = time.time()
        self._vitals.beat("clock", TICK_SECONDS)
        LAST_TICK.set(now)
        note_tick(self._broker.client, now)

    def servers(self) -> Servers:
        """Whether Redis answers; the clock needs nothing else."""
        try:
            self._broker.client.ping()
        except RedisError as error:
            return {"redis": str(error)}
        return {"redis": "ok"}


def run_clock(redis_url: str, vitals: Vitals) -> None:
    """Enqueue what is due, minute by minute, in the process's main thread.

    Raises:
        redis.RedisError: When Redis is away; whoever started the process starts it again.
    """
    clock = Clock(redis_url, vitals)
    clock.schedule()
    vitals.started(clock.servers)
    log.info("clock.started", actors=sorted(actor.actor_name for actor in clock.actors))
    clock.loop()
