"""Watches the memory of each part of Tocsin under load: whether it is flat."""

import threading
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
import psutil
from rich.table import Table

from loadtests.memory import memory_by_role

SECONDS = 15.0


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """What each part had allocated at one moment."""

    minutes: float
    """Since the watch began."""
    megabytes: dict[str, float]
    """Of the largest process of each part."""


class MemoryWatch:
    """Takes samples in a thread, as a context manager.

    Args:
        up_pid: Of `tocsin up`.
        seconds: Between two samples.
    """

    def __init__(self, up_pid: int, seconds: float = SECONDS) -> None:
        self.samples: list[Sample] = []
        self._up_pid = up_pid
        self._seconds = seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        began = time.monotonic()
        while True:
            try:
                megabytes = memory_by_role(self._up_pid)
            except psutil.NoSuchProcess:
                return  # it has ended, or crashed: its load tells
            self.samples.append(
                Sample(minutes=(time.monotonic() - began) / 60, megabytes=megabytes)
            )
            if self._over.wait(self._seconds):
                return


def memory_table(samples: Iterable[Sample]) -> Table:
    """A line for each part: at first, in the middle, at the end, and the most."""
    taken = list(samples)
    table = Table("memory, MB", title_justify="left")
    for heading in ("at first", "in the middle", "at the end", "at most"):
        table.add_column(heading, justify="right", no_wrap=True)
    for role in taken[0].megabytes if taken else ():
        values = [one.megabytes.get(role, 0.0) for one in taken]
        shown = (values[0], values[len(values) // 2], values[-1], max(values))
        table.add_row(role, *(f"{value:.1f}" for value in shown))
    return table


def add(samples: Iterable[Sample], path: Path) -> None:
    """Put samples into a JSON of results."""
    results = msgspec.json.decode(path.read_bytes()) | {"memory": list(samples)}
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results)))
