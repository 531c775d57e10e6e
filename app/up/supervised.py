"""The lifeline between a supervisor and its children: they end when it dies, however it dies."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Mapping

VARIABLE = "TOCSIN_LIFELINE"
GRACE_SECONDS = 10.0


class Lifeline:
    """A pipe that only the supervisor can write to; nobody does, but its end says enough."""

    def __init__(self) -> None:
        self._inherited, self._kept = os.pipe()

    def fileno(self) -> int:
        """The descriptor that children inherit."""
        return self._inherited

    @property
    def environment(self) -> Mapping[str, str]:
        """The variable that tells children about it."""
        return {VARIABLE: str(self._inherited)}

    def close(self) -> None:
        """Let go: children that still run end themselves."""
        os.close(self._kept)
        os.close(self._inherited)


def exit_with_parent() -> None:
    """End this process when its supervisor is gone: SIGTERM first, `os._exit` after 10 s.

    Does nothing in a process that no supervisor started.
    """
    descriptor = os.environ.pop(VARIABLE, None)
    if descriptor is None:
        return
    os.set_inheritable(int(descriptor), False)
    threading.Thread(
        target=_end_after_parent, args=(int(descriptor),), name="lifeline", daemon=True
    ).start()


def supervisor_gone(environment: Mapping[str, str]) -> None:
    """Return when the supervisor of this process is gone."""
    os.read(int(environment[VARIABLE]), 1)  # returns when the last writer is gone


def _end_after_parent(lifeline: int) -> None:
    os.read(lifeline, 1)
    drop_output()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os._exit(1)


def drop_output() -> None:
    """Nobody reads our output any more: a write would raise in the middle of a clean end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
