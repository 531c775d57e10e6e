"""Lets simulated users act in turn, so many a second, however long their answers take."""

import time
from collections import deque
from collections.abc import Callable

import gevent
from gevent.event import Event

TICK_SECONDS = 0.01
MOST_AT_ONCE_SECONDS = 0.1
"""After a pause, what was due before this is left out: nobody can act in the past."""


class Pace:
    """Users wait here until it is their turn.

    Args:
        rate: How many may go a second, so many seconds after the start.
    """

    def __init__(self, rate: Callable[[float], float]) -> None:
        self._rate = rate
        self._waiting: deque[Event] = deque()

    def wait(self) -> None:
        """Wait for one's turn."""
        turn = Event()
        self._waiting.append(turn)
        turn.wait()

    def run(self) -> None:
        """Let users go until this is killed."""
        began = last = time.monotonic()
        due = 0.0
        while True:
            gevent.sleep(TICK_SECONDS)
            now = time.monotonic()
            rate = self._rate(now - began)
            due = min(due + rate * (now - last), max(rate * MOST_AT_ONCE_SECONDS, 1.0))
            last = now
            due -= self._release(int(due))

    def _release(self, count: int) -> int:
        released = min(count, len(self._waiting))
        for _ in range(released):
            self._waiting.popleft().set()
        return released
