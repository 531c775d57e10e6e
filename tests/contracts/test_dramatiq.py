"""What we rely on in the insides of Dramatiq's Redis broker: storage/queue/blocking_consumer.py."""

from __future__ import annotations

from typing import Any

from dramatiq import Message
from dramatiq.brokers.redis import RedisBroker, _RedisConsumer, _scripts
from redis import Redis
from redis.commands.core import Script

from storage.queue.blocking_consumer import BlockingConsumer, WakingBroker

CLIENT: Redis = Redis()  # nothing connects


class Fetching:
    """A broker that has one message, and notes how many it is asked for."""

    def __init__(self) -> None:
        sent = Message(queue_name="q", actor_name="a", args=(), kwargs={}, options={})
        self._messages = [sent.encode()]
        self.asked: list[tuple[str, int]] = []

    def do_fetch(self, queue_name: str, count: int) -> list[bytes]:
        self.asked.append((queue_name, count))
        messages, self._messages = self._messages, []
        return messages


class Measured(WakingBroker):
    """A broker that knows what it would ask Redis for."""

    _max_unpack_size_val = 1


def test_a_consumer_knows_what_it_has_in_hand_and_asks_for_no_more() -> None:
    broker: Any = Fetching()
    consumer = _RedisConsumer(broker, "q", 2, 1)
    assert (consumer.queue_name, consumer.prefetch, consumer.broker) == ("q", 2, broker)
    assert consumer.outstanding_message_count == 0
    assert next(consumer) is not None
    assert consumer.outstanding_message_count == 1
    assert next(consumer) is None
    assert broker.asked == [("q", 2), ("q", 1)]


def test_a_broker_makes_the_consumers_that_it_names_and_runs_the_script_that_it_holds() -> None:
    broker = Measured(client=CLIENT, middleware=[])
    broker.declare_queue("q")
    assert isinstance(broker.consume("q"), BlockingConsumer)
    ran: list[Any] = []
    broker.scripts["dispatch"] = lambda **given: ran.append(given)
    broker.do_ack("q", "id")
    (given,) = ran
    assert given["keys"] == [broker.namespace]
    assert given["args"][0] == "ack"


def test_all_that_changes_a_queue_is_one_script() -> None:
    script = RedisBroker(client=CLIENT, middleware=[]).scripts["dispatch"]
    assert isinstance(script, Script)
    assert script.script == _scripts["dispatch"]
    assert b"redis.call" in _scripts["dispatch"]
