"""The lock that gives one process, and its children, a data directory to themselves."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from storage.embedded.errors import DirectoryInUseError
from storage.embedded.processes import is_alive
from storage.embedded.programs import make_public

# How long the children of a killed process may take to notice and exit, in seconds.
LEFTOVERS_TIMEOUT = 20.0


class DirectoryLock:
    """A held lock on a data directory; the kernel releases it when its last holder dies.

    Children that inherit `fileno()` hold it too, so a new start waits until none is left of
    a process that was killed.
    """

    def __init__(self, data_dir: Path, *, timeout: float = LEFTOVERS_TIMEOUT) -> None:
        """Take the lock; children of a killed holder get `timeout` seconds to leave."""
        make_public(data_dir)
        self._file = (data_dir / "lock").open("a+")
        try:
            self._take(data_dir, time.monotonic() + timeout)
        except BaseException:
            self._file.close()
            raise
        self._file.truncate(0)
        self._file.write(f"{os.getpid()}\n")
        self._file.flush()

    def fileno(self) -> int:
        """The descriptor to pass on to children."""
        return self._file.fileno()

    def close(self) -> None:
        """Let go, unless a child still holds the lock."""
        self._file.close()

    def _take(self, data_dir: Path, deadline: float) -> None:
        while True:
            try:
                return fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._refuse_or_wait(data_dir, deadline)

    def _refuse_or_wait(self, data_dir: Path, deadline: float) -> None:
        self._file.seek(0)
        holder = self._file.read().strip()
        if holder and not is_alive(int(holder)) and time.monotonic() < deadline:
            time.sleep(0.05)
            return
        owner = f"process {holder}" if holder else "another process"
        raise DirectoryInUseError(
            f"The data directory {data_dir.resolve()} is already in use by {owner}: stop that "
            "first (its children, if it is gone), or set TOCSIN_DATA_DIR to another directory."
        )
