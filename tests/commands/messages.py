"""Messages that wait for a worker."""

from __future__ import annotations

from uuid import UUID

from storage.queue.broker import (
    HOUSEKEEPING_QUEUE,
    RING_ACTOR,
    RING_AHEAD_ACTOR,
    RUNS_QUEUE,
    RunKey,
    make_broker,
)
from storage.shards import Shards


def waiting_messages(shards: Shards, *, ahead: bool = False) -> list[RunKey]:
    """The runs that the waiting messages name, in order; the messages are taken out.

    Args:
        ahead: Those that pass by the others.
    """
    broker = make_broker(shards.all()[0].urls.redis)
    broker.declare_queue(HOUSEKEEPING_QUEUE)
    queue = HOUSEKEEPING_QUEUE if ahead else RUNS_QUEUE
    consumer = broker.consume(queue, prefetch=10, timeout=100)
    found: list[RunKey] = []
    while (message := next(consumer)) is not None:
        assert message.actor_name == (RING_AHEAD_ACTOR if ahead else RING_ACTOR)
        found += [(UUID(service_id), UUID(run_id)) for service_id, run_id in message.args[0]]
        consumer.ack(message)
    consumer.close()
    broker.close()
    return found
