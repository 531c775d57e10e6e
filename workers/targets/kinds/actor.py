"""Ring a Dramatiq actor: it runs in this worker process, in a thread of its own kind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, cast

import dramatiq
import msgspec

from commands.firing.take_runs import TakenRun
from domain.runs.run import Outcome
from domain.targets.kinds.actor import ActorTarget
from workers.targets.answer import Answer
from workers.targets.kinds import Means

THREADS = 32
EXCERPT_CHARACTERS = 4_096

Function = Callable[[Any], object]


class ActorRinger:
    """Runs the allowed actors of a broker.

    A run has come to this process through a queue already, so its actor is called and not sent
    another message: its attempt ends when the actor does. A thread cannot be cut off: an actor
    that takes longer than its timeout goes on, but nobody waits for it.

    Args:
        broker: Where the actors are registered.
        allowed: Names of those that may be rung.
    """

    def __init__(self, broker: dramatiq.Broker, allowed: Collection[str]) -> None:
        self._functions: dict[str, Function] = {
            name: actor.fn for name, actor in broker.actors.items() if name in allowed
        }
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="actor")

    async def ring(self, run: TakenRun, started_at: datetime) -> Answer:
        """Make one attempt; every way it can end is an answer, never an exception."""
        target = cast("ActorTarget", run.target)
        function = self._functions.get(target.actor)
        if function is None:
            return Answer(outcome=Outcome.FAILED, error=f"No actor {target.actor!r} is allowed.")
        seconds = target.timeout.total_seconds()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(seconds):
                return await loop.run_in_executor(self._threads, _call, function, _payload(target))
        except TimeoutError:
            return Answer(outcome=Outcome.TIMED_OUT, error=f"No end within {seconds:g} s.")

    async def close(self) -> None:
        """Let go of the threads; those that still work are not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def ringer(means: Means) -> ActorRinger:
    """What rings this kind."""
    return ActorRinger(means.broker, means.allowed.actor)


def _call(function: Function, payload: object) -> Answer:
    """Call an actor; whatever it raises, an exit too, must not reach the event loop."""
    try:
        result = function(payload)
        excerpt = None if result is None else _storable(repr(result))
    except BaseException as error:  # noqa: BLE001 (whatever an actor raises fails the attempt)
        said = _storable(f"{type(error).__name__}: {error}")
        return Answer(outcome=Outcome.FAILED, error=said, at_fault=True)
    return Answer(outcome=Outcome.SUCCEEDED, response_excerpt=excerpt)


def _payload(target: ActorTarget) -> object:
    if not isinstance(target.payload, msgspec.Raw):
        return None
    return msgspec.json.decode(target.payload)


def _storable(text: str) -> str:
    cleaned = text.encode(errors="replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
    return cleaned[:EXCERPT_CHARACTERS]
