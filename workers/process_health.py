"""What a process reports of its own health, to a thread that asks even if the loop is stuck."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple

LOOP_SECONDS = 15.0
"""An event loop that has not turned for 15 s is stuck."""
PASS_SECONDS = 90.0
"""One pass of a loop takes less than 90 s even if Postgres hangs: statements end after 30 s."""
TICK_SECONDS = 150.0
"""The clock ticks every minute."""
BEAT_SECONDS = 1.0

Servers = dict[str, str]
"""For each server, `ok` or what is wrong."""


class _Beat(NamedTuple):
    at: float
    within: float


class ProcessHealth:
    """When each part of a process last made progress, and how to check the servers it needs.

    Args:
        loop_seconds: How long the event loop may take to turn.
        beat_seconds: How often the event loop reports that it turns.
    """

    def __init__(
        self, *, loop_seconds: float = LOOP_SECONDS, beat_seconds: float = BEAT_SECONDS
    ) -> None:
        self._loop_seconds = loop_seconds
        self._beat_seconds = beat_seconds
        self._beats: dict[str, _Beat] = {}
        self._ask: Callable[[], Servers] | None = None

    def beat(self, part: str, within: float = PASS_SECONDS) -> None:
        """Report progress of a part; the next report is due within so many seconds."""
        self._beats[part] = _Beat(time.monotonic(), within)

    def stale(self) -> dict[str, str]:
        """The parts whose next report is overdue."""
        now = time.monotonic()
        return {
            part: f"has not moved for {now - beat.at:.0f} s; {beat.within:.0f} s are allowed"
            for part, beat in list(self._beats.items())
            if now - beat.at > beat.within
        }

    def servers(self) -> Servers:
        """Whether the servers that the process needs answer now."""
        return {"process": "is starting"} if self._ask is None else self._ask()

    def started(self, ask: Callable[[], Servers]) -> None:
        """Report that the process has started.

        Args:
            ask: Checks the servers; another thread calls it.
        """
        self._ask = ask

    async def run(self) -> None:
        """Report that the event loop turns, until cancelled."""
        while True:
            self.beat("event loop", self._loop_seconds)
            await asyncio.sleep(self._beat_seconds)
