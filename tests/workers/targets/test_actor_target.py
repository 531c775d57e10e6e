"""A target that is a Dramatiq actor."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import dramatiq
import msgspec
import pytest
from dramatiq.brokers.stub import StubBroker

from commands.firing.take_runs import TakenRun
from domain.runs.run import Outcome
from domain.targets.kinds.actor import ActorTarget
from tests.commands.firing import NOON
from tests.workers.ringing import waiting_run
from workers.targets.answer import Answer
from workers.targets.kinds.actor import EXCERPT_CHARACTERS, ActorRinger

SECOND = timedelta(seconds=1)
Ring = Callable[..., "asyncio.Future[Answer]"]


def fails(_: object) -> None:
    raise ValueError("out of paper\0")


def times_out(_: object) -> None:
    raise TimeoutError("the printer does not answer")


def exits(_: object) -> None:
    sys.exit(3)


def echoes(payload: object) -> object:
    return payload


def says_nothing(_: object) -> None: ...


def forbidden(_: object) -> None:
    raise AssertionError("it was called")


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError("no words")


def unprintable(_: object) -> object:
    return Unprintable()


ACTORS = (fails, times_out, exits, echoes, says_nothing, forbidden, unprintable)


@pytest.fixture
def broker() -> StubBroker:
    """A broker that knows the actors."""
    made = StubBroker()
    for function in ACTORS:
        dramatiq.actor(broker=made)(function)
    return made


@pytest.fixture
async def ringer(broker: StubBroker) -> AsyncIterator[ActorRinger]:
    """All but one of them may be rung."""
    made = ActorRinger(broker, [actor.__name__ for actor in ACTORS if actor is not forbidden])
    yield made
    await made.close()


def run_of(actor: str, payload: str | None = None, timeout: timedelta = 10 * SECOND) -> TakenRun:
    target = ActorTarget(
        actor=actor,
        payload=msgspec.UNSET if payload is None else msgspec.Raw(payload.encode()),
        timeout=timeout,
    )
    return msgspec.structs.replace(waiting_run(0), target=target)


@pytest.mark.parametrize(
    ("payload", "result"),
    [
        ('{"a": [1, 2.5, null]}', "{'a': [1, 2.5, None]}"),
        ('"text"', "'text'"),
        ("0", "0"),
        ("null", None),
        (None, None),
    ],
)
async def test_an_actor_is_called_with_the_payload_and_its_result_is_kept(
    ringer: ActorRinger, payload: str | None, result: str | None
):
    answer = await ringer.ring(run_of("echoes", payload), NOON)
    assert answer == Answer(outcome=Outcome.SUCCEEDED, response_excerpt=result)


async def test_an_actor_that_returns_nothing_has_succeeded(ringer: ActorRinger):
    answer = await ringer.ring(run_of("says_nothing"), NOON)
    assert answer == Answer(outcome=Outcome.SUCCEEDED)


async def test_the_beginning_of_a_long_result_is_kept_as_postgres_stores_it(ringer: ActorRinger):
    payload = msgspec.json.encode("x" * 10_000).decode()
    answer = await ringer.ring(run_of("echoes", payload), NOON)
    assert answer.response_excerpt == "'" + "x" * (EXCERPT_CHARACTERS - 1)


@pytest.mark.parametrize(
    ("actor", "error"),
    [
        ("fails", "ValueError: out of paper\N{REPLACEMENT CHARACTER}"),
        ("times_out", "TimeoutError: the printer does not answer"),
        ("exits", "SystemExit: 3"),
        ("unprintable", "RuntimeError: no words"),
    ],
)
async def test_whatever_an_actor_raises_fails_the_attempt(
    ringer: ActorRinger, actor: str, error: str
):
    answer = await ringer.ring(run_of(actor), NOON)
    assert answer == Answer(outcome=Outcome.FAILED, error=error, at_fault=True)


@pytest.mark.parametrize("actor", ["forbidden", "unknown", "__class__"])
async def test_an_actor_that_is_not_allowed_is_not_called(ringer: ActorRinger, actor: str):
    answer = await ringer.ring(run_of(actor), NOON)
    assert answer == Answer(outcome=Outcome.FAILED, error=f"No actor {actor!r} is allowed.")


@pytest.fixture
def slow(broker: StubBroker) -> threading.Event:
    """Ends the actor `slow`, which does not end by itself."""
    end = threading.Event()

    @dramatiq.actor(actor_name="slow", broker=broker)
    def wait(_: object) -> None:
        end.wait(30)

    return end


async def test_nobody_waits_for_an_actor_longer_than_its_timeout(
    broker: StubBroker, slow: threading.Event
):
    ringer = ActorRinger(broker, ["slow", "echoes"])
    answer = await ringer.ring(run_of("slow", timeout=SECOND / 10), NOON)
    assert answer == Answer(outcome=Outcome.TIMED_OUT, error="No end within 0.1 s.")
    # It goes on in its thread, and others have theirs.
    answer = await ringer.ring(run_of("echoes", "1"), NOON)
    assert answer.outcome is Outcome.SUCCEEDED
    await ringer.close()
    slow.set()


async def test_an_attempt_that_is_cut_off_is_not_waited_for(
    broker: StubBroker, slow: threading.Event
):
    ringer = ActorRinger(broker, ["slow"])
    ringing = asyncio.create_task(ringer.ring(run_of("slow"), NOON))
    await asyncio.wait([ringing], timeout=0.05)
    ringing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ringing
    await ringer.close()
    slow.set()
