"""When the clock enqueues which chore."""

from __future__ import annotations

from collections.abc import Callable

import dramatiq
from periodiq import cron

from storage.queue.broker import AGGREGATE_ACTOR, HOUSEKEEPING_QUEUE

MINUTELY = "* * * * *"
HOURLY = "7 * * * *"
"""Not at minute 0, when the world's jobs fire."""

SCHEDULE = {
    "keep_partitions": HOURLY,
    "forget_processes": HOURLY,
    "forget_old_stats": HOURLY,
    "forget_past_minutes": HOURLY,
    "rescue_runs": MINUTELY,
    "resend_runs": MINUTELY,
    AGGREGATE_ACTOR: MINUTELY,
}


def declare(broker: dramatiq.Broker, name: str, work: Callable[[], object]) -> None:
    """Register a chore as an actor, with when it is enqueued."""
    actor = dramatiq.actor(
        actor_name=name,
        queue_name=HOUSEKEEPING_QUEUE,
        broker=broker,
        periodic=cron(SCHEDULE[name]),
    )
    actor(work)


def declare_names(broker: dramatiq.Broker) -> None:
    """Register the chores without their work, for the clock, which only enqueues them."""
    for name in SCHEDULE:
        declare(broker, name, lambda: None)
