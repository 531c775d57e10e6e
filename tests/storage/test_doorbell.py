"""Consumers that hear a bell, on a real Valkey."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from dramatiq import Message
from dramatiq.brokers.redis import RedisBroker
from redis import Redis

from storage import doorbell
from storage.doorbell import WakefulConsumer, ring_bell
from storage.queue import RUNS_QUEUE, make_broker
from storage.urls import ShardUrls, redis_database

QUIET_DATABASE = 9


@pytest.fixture
def broker(commands_urls: ShardUrls, monkeypatch: pytest.MonkeyPatch) -> Iterator[RedisBroker]:
    """A broker with a database of its own, which is empty."""
    monkeypatch.setattr("storage.queue._BROKER_DATABASE", QUIET_DATABASE)
    with Redis.from_url(redis_database(commands_urls.redis, QUIET_DATABASE)) as client:
        client.flushdb()
    made = make_broker(commands_urls.redis)
    yield made
    made.close()


def a_message() -> Message[None]:
    return Message(queue_name=RUNS_QUEUE, actor_name="any", args=(), kwargs={}, options={})


def next_message(consumer: WakefulConsumer) -> object:
    while (message := next(consumer)) is None:
        pass
    return message


def test_who_waits_is_woken_by_the_bell(broker: RedisBroker, monkeypatch: pytest.MonkeyPatch):
    # Without the bell nobody would look again for longer than the test may take.
    monkeypatch.setattr(doorbell, "WAIT_SECONDS", 1.5)
    consumer = broker.consume(RUNS_QUEUE)
    assert isinstance(consumer, WakefulConsumer)
    assert next(consumer) is None  # it has waited once, in vain
    found: list[float] = []
    waiting = threading.Thread(
        target=lambda: (next_message(consumer), found.append(time.monotonic()))
    )
    waiting.start()
    broker.enqueue(a_message())
    ring_bell(broker, RUNS_QUEUE)
    waiting.join(10)
    assert len(found) == 1


def test_a_message_without_a_bell_is_found(broker: RedisBroker):
    consumer = broker.consume(RUNS_QUEUE)
    sent = broker.enqueue(a_message())
    assert getattr(next_message(consumer), "message_id", None) == sent.message_id


def test_a_bell_that_rang_before_is_not_missed(
    broker: RedisBroker, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(doorbell, "WAIT_SECONDS", 0)  # for ever: only the bell ends the wait
    consumer = broker.consume(RUNS_QUEUE)
    ring_bell(broker, RUNS_QUEUE)
    assert next(consumer) is None
    broker.enqueue(a_message())
    assert next(consumer) is not None


def test_bells_that_nobody_hears_do_not_gather(broker: RedisBroker):
    for _ in range(100):
        ring_bell(broker, RUNS_QUEUE)
    bell = doorbell._bell(broker, RUNS_QUEUE)
    assert broker.client.llen(bell) == doorbell._MOST_RINGS


def test_one_that_has_enough_in_hand_does_not_take_the_bell(broker: RedisBroker):
    consumer = broker.consume(RUNS_QUEUE, prefetch=1)
    for _ in range(2):
        broker.enqueue(a_message())
    first = next_message(consumer)
    ring_bell(broker, RUNS_QUEUE)
    assert next(consumer) is None
    assert broker.client.llen(doorbell._bell(broker, RUNS_QUEUE)) == 1
    consumer.ack(first)
    assert next_message(consumer) is not None
