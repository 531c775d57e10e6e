"""Tracebacks without the texts of errors: where it happened, and what kind of error it was."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import TextIO

import structlog

from storage.error_kinds import kind_of

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]
log = structlog.get_logger()
_LONGEST_CHAIN = 10


def traceback_of(error: BaseException) -> str:
    """The error with those that led to it, the first one first."""
    parts = [_one(each) for each in _chain(error)]
    return "\nThen, while that was dealt with:\n".join(reversed(parts))


def as_text(exc_info: ExcInfo) -> str:
    """The same, as structlog asks for it."""
    return traceback_of(exc_info[1])


def as_lines(file: TextIO, exc_info: ExcInfo) -> None:
    """The same, as structlog asks for it on a terminal."""
    file.write(traceback_of(exc_info[1]) + "\n")


def log_what_ends_us() -> None:
    """Log an error that nobody handles, in place of Python's own traceback with its text."""

    def of_process(kind: type[BaseException], error: BaseException, _: object) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            log.critical("process.failed", exc_info=error)

    def of_thread(failed: threading.ExceptHookArgs) -> None:
        if failed.exc_value is not None:
            log.critical("thread.failed", exc_info=failed.exc_value)

    sys.excepthook = of_process
    threading.excepthook = of_thread


def _one(error: BaseException) -> str:
    lines = traceback.format_tb(error.__traceback__)
    inner = [traceback_of(each) for each in getattr(error, "exceptions", ())]
    return "".join(lines) + "\n".join([kind_of(error), *inner])


def _chain(error: BaseException) -> Iterator[BaseException]:
    at: BaseException | None = error
    for _ in range(_LONGEST_CHAIN):
        if at is None:
            return
        yield at
        at = at.__cause__ or (None if at.__suppress_context__ else at.__context__)
