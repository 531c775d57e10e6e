"""What a process tells of its own health; another thread asks, also while its loop is stuck."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple

LOOP_SECONDS = 15.0
"""An event loop that does not turn for so long is stuck."""
PASS_SECONDS = 90.0
"""A loop's pass takes less, also while Postgres hangs: its statements are given up after 30 s."""
TICK_SECONDS = 150.0
"""The clock ticks each minute."""
_BEAT_SECONDS = 1.0

Servers = dict[str, str]
"""`ok` or what is wrong, by server."""


class _Beat(NamedTuple):
    at: float
    within: float


class Vitals:
    """When each part of a process moved last, and how to ask whether it can do its work."""

    def __init__(self) -> None:
        self._beats: dict[str, _Beat] = {}
        self._ask: Callable[[], Servers] | None = None

    def beat(self, part: str, within: float = PASS_SECONDS) -> None:
        """A part moves; it is to do so again within so many seconds."""
        self._beats[part] = _Beat(time.monotonic(), within)

    def stale(self) -> dict[str, str]:
        """The parts that have not moved for longer than they may."""
        now = time.monotonic()
        return {
            part: f"has not moved for {now - beat.at:.0f} s; {beat.within:.0f} s are allowed"
            for part, beat in list(self._beats.items())
            if now - beat.at > beat.within
        }

    def servers(self) -> Servers:
        """Whether the servers answer that the process needs, asked of them now."""
        return {"process": "is starting"} if self._ask is None else self._ask()

    def started(self, ask: Callable[[], Servers]) -> None:
        """The process does its work from now on.

        Args:
            ask: Called by another thread.
        """
        self._ask = ask

    async def run(self) -> None:
        """Tell that the event loop turns, until cancelled."""
        while True:
            self.beat("event loop", LOOP_SECONDS)
            await asyncio.sleep(_BEAT_SECONDS)
