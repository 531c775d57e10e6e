"""Our one middleware: Dramatiq's async actors run on the event loop of the worker process."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

import dramatiq
from dramatiq.asyncio import EventLoopThread, set_event_loop_thread
from dramatiq.middleware import Middleware

from storage.shards import Shard
from workers.housekeeping import actors as housekeeping
from workers.housekeeping.sweep import Sweep
from workers.worker import actors as ringing
from workers.worker.intake import Intake

LOOK_SECONDS = 1.0
"""A thread that waits for its actor looks so often whether it was interrupted; nobody does that."""


class Lifecycle(Middleware):
    """Gives the actors their event loop and their resources while Dramatiq's threads run.

    It stands in for Dramatiq's `AsyncIO`, whose loop lives no longer than the threads, and would
    cost a second hop for each message (docs/adr/0013-dramatiq-runs-on-our-loop.md).

    Args:
        retention: How long history is kept.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        shard: Shard,
        intake: Intake,
        sweep: Sweep,
        retention: timedelta,
    ) -> None:
        self._loop = loop
        self._shard = shard
        self._intake = intake
        self._sweep = sweep
        self._retention = retention

    def before_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        ringing.resources.intake = self._intake
        ringing.resources.queue = self._shard.queue
        housekeeping.resources.shard = self._shard
        housekeeping.resources.sweep = self._sweep
        housekeeping.resources.retention = self._retention
        set_event_loop_thread(_RunningLoop(self._loop))

    def after_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        set_event_loop_thread(None)


class _RunningLoop(EventLoopThread):
    """An event loop that runs in a thread already; this thread is never started."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(logging.getLogger(__name__), LOOK_SECONDS)
        self.loop.close()
        self.loop = loop
