"""A bell beside each queue, so that who waits for a message need not look again and again."""

from __future__ import annotations

import time
from typing import Any

import redis
import structlog
from dramatiq.brokers.redis import RedisBroker, _RedisConsumer, _scripts
from dramatiq.errors import ConnectionClosed, DecodeError

from storage.redis.memory import ALWAYS

log = structlog.get_logger()
WAIT_SECONDS = 0.25
"""A message whose bell was lost, or that came back from a dead worker, is found so late."""
_FULL_SECONDS = 0.01
_SLEEP_MS = 1
_MOST_RINGS = 16
_RING = f"""{ALWAYS}redis.call('RPUSH', KEYS[1], 1)
redis.call('LTRIM', KEYS[1], -{_MOST_RINGS}, -1)
"""


def wake_consumer(broker: RedisBroker, queue_name: str) -> None:
    """Wake one of those who wait for messages of a queue.

    Raises:
        redis.RedisError: When Redis is away.
    """
    broker.client.eval(_RING, 1, _wake_key(broker, queue_name))


class BlockingConsumer(_RedisConsumer):
    """Dramatiq's consumer, which would sleep for tens of milliseconds between two looks."""

    def __init__(self, broker: RedisBroker, queue_name: str, prefetch: int, timeout: int) -> None:
        super().__init__(broker, queue_name, prefetch, _SLEEP_MS)  # type: ignore[no-untyped-call]

    def __next__(self) -> Any:
        try:
            message = super().__next__()  # type: ignore[no-untyped-call]
        except DecodeError:
            # Its runs are rows, and are sent anew. Dramatiq would stop the consumer for 3 s.
            log.warning("message.unreadable", queue=self.queue_name)
            return None
        if message is None:
            self._wait()
        return message

    def _wait(self) -> None:
        if self.outstanding_message_count >= self.prefetch:
            time.sleep(_FULL_SECONDS)
            return
        try:
            self.broker.client.blpop(
                _wake_key(self.broker, self.queue_name), self.broker.wait_seconds
            )
        except (redis.ConnectionError, redis.TimeoutError) as error:
            raise ConnectionClosed(error) from None  # type: ignore[no-untyped-call]


class WakingBroker(RedisBroker):
    """A broker whose consumers hear the bell, and whose messages pass also when Redis is full.

    Args:
        wait_seconds: How long a consumer waits for the bell before it looks again; 0 for as long
            as the client waits for an answer of Redis.
        options: Of Dramatiq's broker.
    """

    def __init__(self, *, wait_seconds: float = WAIT_SECONDS, **options: Any) -> None:
        super().__init__(**options)  # type: ignore[no-untyped-call]
        self.wait_seconds = wait_seconds
        script = ALWAYS.encode() + _scripts["dispatch"]
        self.scripts["dispatch"] = self.client.register_script(script)

    def declare_queue(self, queue_name: str) -> None:
        """Declare a queue, without Dramatiq's queue of delayed messages: none is ever delayed.

        Each queue has a thread and a connection in each worker, and asks Redis four times a second.
        """
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues.add(queue_name)
            self.emit_after("declare_queue", queue_name)

    @property
    def consumer_class(self) -> type[BlockingConsumer]:
        return BlockingConsumer


def _wake_key(broker: RedisBroker, queue_name: str) -> str:
    return f"{broker.namespace}:bell:{queue_name}"
