"""The Dramatiq actors: thin shells that pass work on to the worker process's event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import dramatiq
import structlog
from dramatiq import BrokerError
from periodiq import cron
from redis.exceptions import RedisError

from storage.clock_offset import read_clocks
from storage.error_kinds import kind_of
from storage.postgres import UNREACHABLE
from storage.queue import (
    FOLD_ACTOR,
    HOUSEKEEPING_QUEUE,
    RING_ACTOR,
    RING_AHEAD_ACTOR,
    RUNS_QUEUE,
)
from workers.housekeeping.aggregation import fold_all
from workers.housekeeping.retention import (
    forget_old_stats,
    forget_past_minutes,
    forget_processes,
    keep_partitions,
)

if TYPE_CHECKING:  # the clock knows the actors by name only
    from storage.shards import Shard
    from workers.housekeeping.sweep import Sweep
    from workers.worker.intake import Ringer

log = structlog.get_logger()
HOUSEKEEPING_SECONDS = 50.0
AHEAD = -1
"""Of what a process has fetched, the lowest priority number goes first; others have 0."""
MINUTELY = "* * * * *"
HOURLY = "7 * * * *"

Work = Callable[[datetime], Coroutine[Any, Any, Any]]

# What the clock enqueues, and when. Not at minute 0, which the world's jobs have in common.
SCHEDULE = {
    "keep_partitions": HOURLY,
    "forget_processes": HOURLY,
    "forget_old_stats": HOURLY,
    "forget_past_minutes": HOURLY,
    "rescue_runs": MINUTELY,
    "resend_runs": MINUTELY,
    FOLD_ACTOR: MINUTELY,
}


def declare_ringing(broker: dramatiq.Broker, ringer: Ringer, shard: Shard) -> None:
    """Declare the actors that take handed-over runs."""
    loop = asyncio.get_running_loop()

    def declare(name: str, queue_name: str, *, ahead: bool, priority: int) -> None:
        async def take(runs: list[tuple[UUID, UUID]]) -> None:
            left = await ringer.take(runs, ahead=ahead)
            await shard.queue.hand_over(left, ahead=ahead)

        def ring_runs(runs: list[list[str]]) -> None:
            keys = [(UUID(service_id), UUID(run_id)) for service_id, run_id in runs]
            asyncio.run_coroutine_threadsafe(take(keys), loop).result()

        dramatiq.actor(actor_name=name, queue_name=queue_name, broker=broker, priority=priority)(
            ring_runs
        )

    declare(RING_ACTOR, RUNS_QUEUE, ahead=False, priority=0)
    # The next thread that is free takes it, whatever else this process has fetched.
    declare(RING_AHEAD_ACTOR, HOUSEKEEPING_QUEUE, ahead=True, priority=AHEAD)


def declare_housekeeping(
    broker: dramatiq.Broker, shard: Shard, sweep: Sweep, retention: timedelta
) -> None:
    """Declare the housekeeping actors with their work."""
    works: dict[str, Work] = {
        "keep_partitions": lambda _: keep_partitions(shard, retention),
        "forget_processes": lambda _: forget_processes(shard),
        "forget_old_stats": lambda _: forget_old_stats(shard),
        "forget_past_minutes": lambda _: forget_past_minutes(shard),
        "rescue_runs": sweep.rescue,
        "resend_runs": sweep.resend,
        FOLD_ACTOR: lambda now: fold_all(shard.database, now),
    }
    _declare(broker, {name: _timely(name, work, shard) for name, work in works.items()})


def _timely(name: str, work: Work, shard: Shard) -> Work:
    """The same, which does nothing while this process's clock is wrong: others come, too.

    While a server is away it is left out, and comes again.
    """

    async def work_if_right(now: datetime) -> None:
        if trouble := shard.database.clock.trouble(read_clocks()):
            log.warning("housekeeping.left_out", work=name, clock=trouble)
            return
        try:
            await work(now)
        except (*UNREACHABLE, RedisError, BrokerError) as error:
            log.warning("housekeeping.failed", work=name, error=kind_of(error))

    return work_if_right


def declare_names(broker: dramatiq.Broker) -> None:
    """Declare the housekeeping actors without work, for the clock, which only enqueues."""

    async def nothing(now: datetime) -> None: ...

    _declare(broker, dict.fromkeys(SCHEDULE, nothing), asyncio.new_event_loop())


def _declare(
    broker: dramatiq.Broker,
    works: dict[str, Work],
    loop: asyncio.AbstractEventLoop | None = None,
) -> None:
    loop = loop or asyncio.get_running_loop()
    for name, work in works.items():
        declare = dramatiq.actor(
            actor_name=name,
            queue_name=HOUSEKEEPING_QUEUE,
            broker=broker,
            periodic=cron(SCHEDULE[name]),
        )
        declare(_shell(work, loop))


def _shell(work: Work, loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
    def run() -> None:
        future = asyncio.run_coroutine_threadsafe(work(datetime.now(UTC)), loop)
        future.result(HOUSEKEEPING_SECONDS)

    return run
