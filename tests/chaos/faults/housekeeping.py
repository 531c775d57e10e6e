"""Housekeeping at moments of its own, beside what the clock asks for."""

from __future__ import annotations

import random

from dramatiq import BrokerError, Message
from redis.exceptions import RedisError

from storage.queue.broker import make_broker
from tests.chaos.scene import Scene

ACTORS = ("keep_partitions", "forget_processes", "forget_past_minutes", "rescue_runs")
QUEUE = "housekeeping"
AT_ONCE = 3


def keep_house(scene: Scene, chance: random.Random) -> str:
    """Have housekeeping done several times at once."""
    broker = make_broker(scene.servers.valkey.url)
    broker.declare_queue(QUEUE)
    name = chance.choice(ACTORS)
    try:
        for _ in range(AT_ONCE):
            broker.enqueue(
                Message(queue_name=QUEUE, actor_name=name, args=(), kwargs={}, options={})
            )
    except (RedisError, BrokerError):
        return f"{name}, but valkey was away"
    finally:
        broker.close()
    return f"{name}, {AT_ONCE} times"
