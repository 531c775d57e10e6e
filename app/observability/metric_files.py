"""Where the processes of a host share their metrics: files that can kill none of them.

prometheus_client maps its files into memory, and where the disk is full the first touch of a page
is a SIGBUS. Here values are kept in memory of the process's own and written out by a thread, a
moment later: where that cannot be done they are not seen elsewhere until it can.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import struct
import threading
from pathlib import Path
from typing import Any

import structlog
from prometheus_client import values
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from app.embedded.processes import is_alive

log = structlog.get_logger()
VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
WRITE_SECONDS = 0.25
_FIRST_BYTES = 1 << 16
_MOST_OF_A_KEY = 64  # beside its text: its length, its padding, its value and its time
_HEAD_BYTES = 8


class KeptDict(MmapedDict):
    """The library's dict of values, in memory, with what a process of the same id left behind."""

    def __init__(self, filename: str, read_mode: bool = False) -> None:
        # What the library's methods use: `tests/contracts` holds it to that.
        self._f: Any = None
        self._fname = filename
        self._m: Any = bytearray(_left_behind(filename).ljust(_FIRST_BYTES, b"\0"))
        self._capacity = len(self._m)
        self._used = max(struct.unpack_from("i", self._m)[0], _HEAD_BYTES)
        self._m[:4] = struct.pack("i", self._used)
        self._positions = {key: at for key, _, _, at in self._read_all_values()}  # type: ignore[no-untyped-call]
        self._written = b""
        _FILES.keep(self)

    def _init_value(self, key: str) -> None:
        while self._used + len(key.encode()) + _MOST_OF_A_KEY > self._capacity:
            self._m.extend(bytes(self._capacity))
            self._capacity *= 2
        super()._init_value(key)  # type: ignore[no-untyped-call]

    def write_out(self) -> None:
        """Have others see the values.

        Raises:
            OSError: When there is no room for them; what others saw before they see still.
        """
        seen = bytes(self._m[: self._used])
        if seen == self._written and Path(self._fname).exists():
            return
        if Path(self._fname).exists():
            _overwrite(self._fname, seen)
        else:
            _create(self._fname, seen)
        self._written = seen

    def close(self) -> None:
        """Write out for the last time."""
        _FILES.forget(self)
        with contextlib.suppress(OSError):
            self.write_out()


class _Files:
    """The files of this process, and the thread that writes them."""

    def __init__(self) -> None:
        self._files: list[KeptDict] = []
        self._lock = threading.Lock()
        self._is_failing = False
        self._thread: threading.Thread | None = None

    def keep(self, file: KeptDict) -> None:
        """Write a file out from now on."""
        self._files.append(file)
        if self._thread is None or not self._thread.is_alive():  # a fork has none
            self._thread = threading.Thread(target=self._keep_writing, name="metrics", daemon=True)
            self._thread.start()

    def forget(self, file: KeptDict) -> None:
        """Write a file out no more."""
        if file in self._files:
            self._files.remove(file)

    def write(self) -> None:
        """Write all that has changed; trouble is told of when it begins."""
        with self._lock:
            try:
                for file in list(self._files):
                    file.write_out()
            except OSError as error:
                if not self._is_failing:
                    log.warning("metrics.not_written", error=str(error))
                self._is_failing = True
            else:
                self._is_failing = False

    def _keep_writing(self) -> None:
        pause = threading.Event()
        while True:
            pause.wait(WRITE_SECONDS)
            self.write()


_FILES = _Files()
atexit.register(_FILES.write)


class SharedMetrics(MultiProcessCollector):
    """The metrics of all processes: this one as it is now, others as of a moment ago."""

    def collect(self) -> Any:
        """All metrics; what the dead had in hand is not among them."""
        _FILES.write()
        forget_dead(Path(self._path))
        return super().collect()  # type: ignore[no-untyped-call]


def keep_in_memory() -> None:
    """Have the metrics that are made from now on kept so."""
    vars(values)["MmapedDict"] = KeptDict


def forget_dead(directory: Path) -> None:
    """Remove the gauges that counted only while their processes lived."""
    pids = {path.stem.rpartition("_")[2] for path in directory.glob("gauge_live*.db")}
    for pid in pids:
        if pid.isdecimal() and not is_alive(int(pid)):
            with contextlib.suppress(FileNotFoundError):  # another process was quicker
                mark_process_dead(int(pid), str(directory))  # type: ignore[no-untyped-call]


def _left_behind(filename: str) -> bytes:
    """What is in a file, if it is whole."""
    try:
        content = Path(filename).read_bytes()
        used = struct.unpack_from("i", content)[0]
        return content if _HEAD_BYTES <= used <= len(content) else b""
    except (OSError, struct.error):
        return b""


def _create(filename: str, content: bytes) -> None:
    """A file that appears complete or not at all: one that is empty could not be read."""
    partial = Path(filename + ".partial")
    try:
        partial.write_bytes(content)
        partial.replace(filename)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def _overwrite(filename: str, content: bytes) -> None:
    """The values first, then how many there are: who reads meanwhile sees no half of a new one."""
    descriptor = os.open(filename, os.O_WRONLY)
    try:
        _write_all(descriptor, content[_HEAD_BYTES:], _HEAD_BYTES)
        _write_all(descriptor, content[:_HEAD_BYTES], 0)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, content: bytes, at: int) -> None:
    while content:
        written = os.pwrite(descriptor, content, at)
        content, at = content[written:], at + written
