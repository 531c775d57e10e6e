"""Watches the memory of each part of Tocsin under load: whether it is flat."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import psutil
from rich.table import Table

from loadtests.measures.memory import memory_by_role

SECONDS = 15.0


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """What each part had allocated at one moment."""

    minutes: float
    """Since the watch began."""
    megabytes: dict[str, float]
    """Of the largest process of each part."""


@contextmanager
def watched_memory(up_pid: int, seconds: float = SECONDS) -> Iterator[list[Sample]]:
    """The samples that a thread takes until the block ends.

    Args:
        up_pid: Of `tocsin up`.
        seconds: Between two samples.
    """
    samples: list[Sample] = []
    over = threading.Event()
    watch = threading.Thread(target=_watch, args=(up_pid, seconds, samples, over), daemon=True)
    watch.start()
    try:
        yield samples
    finally:
        over.set()
        watch.join()


def _watch(up_pid: int, seconds: float, samples: list[Sample], over: threading.Event) -> None:
    began = time.monotonic()
    while True:
        try:
            megabytes = memory_by_role(up_pid)
        except psutil.NoSuchProcess:
            return  # it has ended, or crashed: its load tells
        samples.append(Sample(minutes=(time.monotonic() - began) / 60, megabytes=megabytes))
        if over.wait(seconds):
            return


def memory_table(samples: Sequence[Sample]) -> Table:
    """A line for each part: at first, in the middle, at the end, and the most."""
    table = Table("memory, MB", title_justify="left")
    for heading in ("at first", "in the middle", "at the end", "at most"):
        table.add_column(heading, justify="right", no_wrap=True)
    for role in samples[0].megabytes if samples else ():
        values = [one.megabytes.get(role, 0.0) for one in samples]
        shown = (values[0], values[len(values) // 2], values[-1], max(values))
        table.add_row(role, *(f"{value:.1f}" for value in shown))
    return table


def add_memory(samples: Sequence[Sample], path: Path) -> None:
    """Put samples into a JSON of results."""
    results = msgspec.json.decode(path.read_bytes()) | {"memory": samples}
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results)))
