"""Messages that wait for a worker."""

from __future__ import annotations

from uuid import UUID

from storage.queue import RING_ACTOR, RUNS_QUEUE, RunKey, make_broker
from storage.shards import Shards


def waiting_messages(shards: Shards) -> list[RunKey]:
    """The runs that the waiting messages name, in order; the messages are taken out."""
    broker = make_broker(shards.all()[0].urls.redis)
    consumer = broker.consume(RUNS_QUEUE, prefetch=10, timeout=100)
    found: list[RunKey] = []
    while (message := next(consumer)) is not None:
        assert message.actor_name == RING_ACTOR
        found += [(UUID(service_id), UUID(run_id)) for service_id, run_id in message.args[0]]
        consumer.ack(message)
    consumer.close()
    broker.close()
    return found
