"""The lock that gives one process, and its children, a data directory to themselves."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from app.embedded.errors import DirectoryInUseError
from app.embedded.processes import is_running
from app.embedded.programs import make_public

# How long the children of a killed process may take to notice and exit, in seconds: our own ten at
# most, then the servers.
LEFTOVERS_TIMEOUT = 40.0


FILE = "lock"


class DirectoryLock:
    """A held lock on a data directory; the kernel releases it when its last holder dies.

    Children that inherit `fileno()` hold it too, so a new start waits until none is left of
    a process that was killed.
    """

    def __init__(self, data_dir: Path, *, timeout: float = LEFTOVERS_TIMEOUT) -> None:
        """Take the lock; children of a killed holder get `timeout` seconds to leave."""
        make_public(data_dir)
        self._file = (data_dir / FILE).open("a+")
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
        if holder and not is_running(int(holder)) and time.monotonic() < deadline:
            time.sleep(0.05)
            return
        owner = f"process {holder}" if holder else "another process"
        raise DirectoryInUseError(
            f"The data directory {data_dir.resolve()} is already in use by {owner}: stop that "
            "first (its children, if it is gone), or set TOCSIN_DATA_DIR to another directory."
        )


def is_held(data_dir: Path) -> bool:
    """Whether somebody runs on a data directory, or what it started still ends."""
    try:
        file = (data_dir / FILE).open()
    except OSError:
        return False
    with file:
        # Shared: two that look at once do not take each other for a holder.
        return not _locks(file, fcntl.LOCK_SH)


@contextmanager
def after_holder(data_dir: Path, holder: int, *, timeout: float) -> Iterator[bool]:
    """Hold the lock that a dead process had, once its children have let go of it too.

    Children that do not within `timeout` seconds are waited for no longer.

    Yields:
        False when another process was faster, and has taken the directory over.
    """
    deadline = time.monotonic() + timeout
    with (data_dir / FILE).open() as file:
        while not (locked := _locks(file, fcntl.LOCK_EX)) and time.monotonic() < deadline:
            if not _names(file, holder):
                break
            time.sleep(0.05)
        yield _names(file, holder) and (locked or time.monotonic() >= deadline)


def _locks(file: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _names(file: IO[str], holder: int) -> bool:
    file.seek(0)
    return file.read().strip() == str(holder)
