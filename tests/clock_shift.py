"""A wall clock of its own for one process, which a test steps while the process runs."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).with_name("shifted_clock.c")
COMPILER = shutil.which("cc")
NO_COMPILER = "shifting the clock of a process takes a C compiler (cc) and LD_PRELOAD"


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    # It lives in the cache, and is removed when Python ends.
    return tempfile.TemporaryDirectory(prefix="tocsin-clock-")


@cache
def library() -> Path:
    """The preload library, built once."""
    assert COMPILER, NO_COMPILER
    built = Path(_folder().name) / "shifted_clock.so"
    options = ["-shared", "-fPIC", "-O2", "-Wall", "-Werror"]
    subprocess.run([COMPILER, *options, "-o", built, SOURCE, "-ldl"], check=True)
    return built


class ShiftedClock:
    """The clock of each process that is started with its environment.

    Args:
        file: Where the shift is kept; it is made.
    """

    def __init__(self, file: Path, shift: timedelta = timedelta()) -> None:
        self._file = file
        self.step(shift)

    @property
    def environment(self) -> Mapping[str, str]:
        """What a process is started with."""
        return {"LD_PRELOAD": str(library()), "CLOCK_SHIFT_FILE": str(self._file)}

    def step(self, shift: timedelta) -> None:
        """Have the clock be so far ahead of the right time from now on; behind, if negative."""
        nanoseconds = shift // timedelta(microseconds=1) * 1_000
        file = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            os.pwrite(file, struct.pack("=q", nanoseconds), 0)
        finally:
            os.close(file)
