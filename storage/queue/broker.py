"""The Dramatiq broker, and the one message that hands runs over to workers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from uuid import UUID

from dramatiq import Message, Middleware
from dramatiq.brokers.redis import RedisBroker

from storage.queue.blocking_consumer import WakingBroker, wake_consumer
from storage.redis.servers import redis_client
from storage.tracing.spans import active
from storage.urls import redis_database

RUNS_QUEUE = "runs"
URGENT_QUEUE = "urgent_runs"
"""Workers read it from this version on; dispatchers and APIs send to it from the next one on."""
HOUSEKEEPING_QUEUE = "housekeeping"
RING_ACTOR = "ring_runs"
RING_AHEAD_ACTOR = "ring_runs_ahead"
AGGREGATE_ACTOR = "fold_run_events"
"""As processes of older versions call it."""
BATCH_SIZE = 200
MAX_DEPTH = 8
"""Messages that may wait for workers: what a dispatcher holds takes turns, what waits cannot."""
FEW = 20
"""So many runs of a service that are due at once pass by what waits."""
REDIS_SECONDS = 2.0
_BROKER_DATABASE = 1  # its maintenance walks all keys of its database
_HEARTBEAT_TIMEOUT_MS = 15_000
_DEAD_MESSAGE_TTL_MS = 3_600_000
_MAINTENANCE_CHANCE = 20_000  # in a million commands: a dead worker's messages come back in seconds

RunKey = tuple[UUID, UUID]
"""A run's `service_id` and `id`."""


def make_broker(redis_url: str, middleware: Sequence[Middleware] = ()) -> RedisBroker:
    """A broker without Dramatiq's default middleware: retries are rows, not messages."""
    # A repeated enqueue would be a second message, a repeated fetch a stranded one: no retries.
    client = redis_client(redis_database(redis_url, _BROKER_DATABASE), REDIS_SECONDS)
    broker = WakingBroker(
        client=client,
        middleware=[*middleware, *_traced()],
        heartbeat_timeout=_HEARTBEAT_TIMEOUT_MS,
        dead_message_ttl=_DEAD_MESSAGE_TTL_MS,
        maintenance_chance=_MAINTENANCE_CHANCE,
    )
    broker.declare_queue(RUNS_QUEUE)
    return broker


def _traced() -> list[Middleware]:
    tracing = active()
    if tracing is None:
        return []
    from storage.tracing.messages import TracedMessages  # noqa: PLC0415 (brings OpenTelemetry)

    return [TracedMessages(tracing, frozenset({RING_ACTOR, RING_AHEAD_ACTOR}))]


class RunQueue:
    """Hands runs over by actor name, so that no sender imports the workers."""

    def __init__(self, broker: RedisBroker, batch_size: int = BATCH_SIZE) -> None:
        self._broker = broker
        self.batch_size = batch_size

    async def dispatch(self, runs: Sequence[RunKey], *, ahead: bool = False) -> None:
        """Send runs to the workers, `batch_size` to a message.

        Args:
            ahead: Pass by all messages that wait.

        Raises:
            redis.RedisError, dramatiq.BrokerError: When Redis is away; the sweep sends them later.
        """
        if runs:
            await asyncio.to_thread(self._send, runs, ahead=ahead)

    async def dispatch_now(self, runs: Sequence[RunKey]) -> None:
        """Send runs that are due now; a few pass by all messages that wait, if those are many.

        Raises:
            redis.RedisError, dramatiq.BrokerError: When Redis is away; the sweep sends them later.
        """
        if runs:
            await asyncio.to_thread(self._send_now, runs)

    async def ask_to_aggregate(self) -> None:
        """Have a worker count ended runs in the statistics.

        Raises:
            redis.RedisError, dramatiq.BrokerError: When Redis is away; the minute clock asks, too.
        """
        # Beside the housekeeping: each further queue would cost every worker its polling.
        message: Message[None] = Message(
            queue_name=HOUSEKEEPING_QUEUE,
            actor_name=AGGREGATE_ACTOR,
            args=(),
            kwargs={},
            options={},
        )
        await asyncio.to_thread(self._broker.enqueue, message)

    async def depth(self) -> int:
        """Messages that wait for a worker."""
        return await asyncio.to_thread(
            self._broker.client.llen, f"{self._broker.namespace}:{RUNS_QUEUE}"
        )

    async def unfinished(self) -> int:
        """Messages that wait for a worker, or that one has fetched and not yet acknowledged."""
        return await asyncio.to_thread(self._unfinished)

    def _unfinished(self) -> int:
        count: int = self._broker.client.hlen(f"{self._broker.namespace}:{RUNS_QUEUE}.msgs")
        return count

    def _send_now(self, runs: Sequence[RunKey]) -> None:
        self._send(runs, ahead=len(runs) <= FEW and self._unfinished() >= MAX_DEPTH)

    def _send(self, runs: Sequence[RunKey], *, ahead: bool) -> None:
        # Workers of the version before read no URGENT_QUEUE.
        queue_name = HOUSEKEEPING_QUEUE if ahead else RUNS_QUEUE
        for batch in _batches(runs, self.batch_size):
            self._broker.enqueue(
                Message(
                    queue_name=queue_name,
                    actor_name=RING_AHEAD_ACTOR if ahead else RING_ACTOR,
                    args=([[str(service_id), str(run_id)] for service_id, run_id in batch],),
                    kwargs={},
                    options={},
                )
            )
            wake_consumer(self._broker, queue_name)

    def close(self) -> None:
        """Close the connections to Redis."""
        self._broker.close()


def _batches(runs: Sequence[RunKey], size: int) -> Iterator[Sequence[RunKey]]:
    for start in range(0, len(runs), size):
        yield runs[start : start + size]
