"""The clock process: enqueues housekeeping each minute. One is needed; two do no harm."""

from __future__ import annotations

import signal
import time
from datetime import UTC, datetime, timedelta

import structlog
from dramatiq.errors import BrokerError
from periodiq import PeriodiqMiddleware, Scheduler
from prometheus_client import Gauge
from redis.exceptions import RedisError

from storage.error_kinds import kind_of
from storage.postgres.clock_offset import compared, read_clocks
from storage.postgres.server_checks import AWAY
from storage.queue.broker import make_broker
from storage.redis.clock_ticks import note_tick
from workers.housekeeping.schedule import declare_names
from workers.process_health import TICK_SECONDS, ProcessHealth, Servers

log = structlog.get_logger()
RETRY_SECONDS = 1.0
LAST_TICK = Gauge(
    "tocsin_clock_last_tick_seconds",
    "When the clock ticked last, in seconds since 1970.",
    multiprocess_mode="mostrecent",
)


class Clock(Scheduler):  # type: ignore[misc]
    """Periodiq's scheduler, which reports that it ticks."""

    def __init__(self, redis_url: str, health: ProcessHealth) -> None:
        self._broker = make_broker(redis_url, [PeriodiqMiddleware(skip_delay=30)])
        declare_names(self._broker)
        self._health = health
        super().__init__(actors=list(self._broker.actors.values()))

    def schedule(self) -> None:
        """Enqueue due chores, and set the alarm for the next minute."""
        super().schedule()
        now = time.time()
        self._health.beat("clock", TICK_SECONDS)
        LAST_TICK.set(now)
        note_tick(self._broker.client, now)

    def servers(self) -> Servers:
        """Whether Redis answers, and its clock agrees; the clock needs nothing else."""
        try:
            asked = read_clocks()
            seconds, microseconds = self._broker.client.time()
        except RedisError as error:
            log.warning("server.away", error=kind_of(error))
            return {"redis": AWAY}
        theirs = datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=microseconds)
        return {"redis": "ok", "clock": compared(asked, theirs, read_clocks()) or "ok"}


def run_clock(redis_url: str, health: ProcessHealth) -> None:
    """Enqueue due chores minute by minute, in the process's main thread.

    A minute in which Redis is away is left out: the next minute's chores do its work, too.
    """
    clock = Clock(redis_url, health)
    log.info("clock.started", actors=sorted(actor.actor_name for actor in clock.actors))
    try:
        _tick(clock, health)
    finally:
        # The alarm would kill a process that is about to end by itself.
        signal.alarm(0)


def _tick(clock: Clock, health: ProcessHealth) -> None:
    while True:
        try:
            clock.schedule()
            health.started(clock.servers)
            clock.loop()
        except (RedisError, BrokerError) as error:
            log.warning("clock.waiting_for_redis", error=kind_of(error))
            health.beat("clock", TICK_SECONDS)
            time.sleep(RETRY_SECONDS)
