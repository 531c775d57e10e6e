"""Consumers that hear a bell, on a real Valkey."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from dramatiq import Message
from dramatiq.brokers.redis import RedisBroker

from storage.queue import blocking_consumer as doorbell
from storage.queue.blocking_consumer import BlockingConsumer, WakingBroker, wake_consumer
from storage.queue.broker import REDIS_SECONDS, RUNS_QUEUE
from storage.redis.servers import redis_client
from storage.urls import ShardUrls, redis_database
from tests.processes import wait_until

QUIET_DATABASE = 9
NewBroker = Callable[..., WakingBroker]


@pytest.fixture
def new_broker(commands_urls: ShardUrls) -> Iterator[NewBroker]:
    """Makes a broker with a database of its own, which is empty."""
    client = redis_client(redis_database(commands_urls.redis, QUIET_DATABASE), REDIS_SECONDS)
    client.flushdb()

    def make(**options: float) -> WakingBroker:
        broker = WakingBroker(client=client, middleware=[], **options)
        broker.declare_queue(RUNS_QUEUE)
        return broker

    yield make
    client.close()


@pytest.fixture
def broker(new_broker: NewBroker) -> WakingBroker:
    """A broker as shipped."""
    return new_broker()


@pytest.fixture
def patient(new_broker: NewBroker) -> WakingBroker:
    """A broker whose consumers fail when no bell rings."""
    return new_broker(wait_seconds=0)


def a_message() -> Message[None]:
    return Message(queue_name=RUNS_QUEUE, actor_name="any", args=(), kwargs={}, options={})


def next_message(consumer: BlockingConsumer) -> object:
    while (message := next(consumer)) is None:
        pass
    return message


def test_who_waits_is_woken_by_the_bell(patient: WakingBroker):
    found: list[object] = []
    consumer = patient.consume(RUNS_QUEUE)
    waiting = threading.Thread(target=lambda: found.append(next_message(consumer)))
    waiting.start()
    wait_until(lambda: is_waited_for(patient), what="the consumer waits for the bell")
    patient.enqueue(a_message())
    wake_consumer(patient, RUNS_QUEUE)
    waiting.join(10)
    assert len(found) == 1


def is_waited_for(broker: RedisBroker) -> bool:
    return any(
        one["cmd"] == "blpop" and one["db"] == str(QUIET_DATABASE)
        for one in broker.client.client_list()
    )


def test_a_message_without_a_bell_is_found(broker: RedisBroker):
    consumer = broker.consume(RUNS_QUEUE)
    sent = broker.enqueue(a_message())
    assert getattr(next_message(consumer), "message_id", None) == sent.message_id


def test_a_bell_that_rang_before_is_not_missed(patient: WakingBroker):
    consumer = patient.consume(RUNS_QUEUE)
    wake_consumer(patient, RUNS_QUEUE)
    assert next(consumer) is None
    patient.enqueue(a_message())
    assert next(consumer) is not None


def test_bells_that_nobody_hears_do_not_gather(broker: RedisBroker):
    for _ in range(100):
        wake_consumer(broker, RUNS_QUEUE)
    bell = doorbell._wake_key(broker, RUNS_QUEUE)
    assert broker.client.llen(bell) == doorbell._MOST_RINGS


def test_one_that_has_enough_in_hand_does_not_take_the_bell(broker: RedisBroker):
    consumer = broker.consume(RUNS_QUEUE, prefetch=1)
    for _ in range(2):
        broker.enqueue(a_message())
    first = next_message(consumer)
    wake_consumer(broker, RUNS_QUEUE)
    assert next(consumer) is None
    assert broker.client.llen(doorbell._wake_key(broker, RUNS_QUEUE)) == 1
    consumer.ack(first)
    assert next_message(consumer) is not None


def test_a_damaged_message_is_passed_over(broker: WakingBroker):
    """Found by chaos: a value that was damaged in Valkey's file and loaded with it."""
    consumer = broker.consume(RUNS_QUEUE)
    damaged, sound = broker.enqueue(a_message()), broker.enqueue(a_message())
    key = f"{broker.namespace}:{RUNS_QUEUE}.msgs"
    assert broker.client.hset(key, damaged.options["redis_message_id"], b"{\x00") == 0
    assert next(consumer) is None
    assert getattr(next_message(consumer), "message_id", None) == sound.message_id
