"""Processes that end when they are asked to, whatever it is that does not let them."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import structlog
import uvloop

log = structlog.get_logger()
CUT_OFF = 1
"""The exit status of one that did not end by itself."""

FAILED_SECONDS = 5.0

Work = Callable[[asyncio.Event], Coroutine[Any, Any, None]]


def run_until_signal(work: Work, *, seconds: float, failed_seconds: float = FAILED_SECONDS) -> None:
    """Run until SIGINT or SIGTERM sets the event that the work is given.

    An event loop that has done its work waits for the threads that it lent, and they may wait for a
    server that is away: then the process is cut off. What it held is rescued as its heartbeat
    lapses, as if it had been killed, which it would be next.

    Args:
        seconds: The work has so long to end; it is given less than its host's patience.
        failed_seconds: The process has so long to end once the work has failed.

    Raises:
        Exception: What the work raises; SIGALRM ends the process if nothing else does.
    """

    async def run() -> None:
        stop = asyncio.Event()

        def end() -> None:
            if not stop.is_set():
                stop.set()
                _cut_off_after(seconds)

        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, end)
        await work(stop)

    try:
        uvloop.run(run())
    except BaseException:
        # Threads that are still at work keep the process; without memory no timer's thread starts.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(math.ceil(failed_seconds))
        raise


def _cut_off_after(seconds: float) -> None:
    timer = threading.Timer(seconds, _cut_off, (seconds,))
    timer.daemon = True
    timer.start()


def _cut_off(seconds: float) -> None:
    log.warning("process.cut_off", seconds=seconds)
    os._exit(CUT_OFF)
