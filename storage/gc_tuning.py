"""Python's garbage collector in a process that serves."""

from __future__ import annotations

import gc

# A page of jobs, or a batch of runs, makes thousands of objects, of which none is in a cycle.
_THRESHOLD = (10_000, 20, 20)


def collect_rarely() -> None:
    """Called when all is imported: what is loaded by now stays, and is not looked through again.

    A look through everything would stop the process for tens of milliseconds.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLD)
    gc.enable()
