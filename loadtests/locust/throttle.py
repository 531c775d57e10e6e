"""Slows an API down for real: its processes stand still for a share of the time."""

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

PERIOD_SECONDS = 1.0


@contextmanager
def throttled(pids: Sequence[int], share: float) -> Iterator[None]:
    """Stop the processes for that share of every second; they go on when the block ends."""
    over = threading.Event()
    thread = threading.Thread(target=_throttle, args=(pids, share, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _throttle(pids: Sequence[int], share: float, over: threading.Event) -> None:
    try:
        while not over.is_set():
            _signal(pids, signal.SIGSTOP)
            over.wait(PERIOD_SECONDS * share)
            _signal(pids, signal.SIGCONT)
            over.wait(PERIOD_SECONDS * (1 - share))
    finally:
        _signal(pids, signal.SIGCONT)


def _signal(pids: Sequence[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
