"""Structured logs: JSON lines, or coloured text on a terminal."""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import sys
from contextlib import suppress
from typing import TextIO, cast

import msgspec
import structlog

from app.observability.tracebacks import as_lines, as_text, log_what_ends_us
from storage.tracing.spans import active

TERMINAL = "TOCSIN_TERMINAL"
"""Set by a supervisor that shows what we print on a terminal."""


def configure_logs(level: str) -> None:
    """Send our own events and those of libraries to stderr, rendered in the same way.

    Ours do not pass through `logging`, in which a line costs five times as much.
    """
    chain: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        _add_trace,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    on_terminal = sys.stderr.isatty() or TERMINAL in os.environ
    coloured = not os.environ.get("NO_COLOR")
    render: list[structlog.types.Processor] = (
        [structlog.dev.ConsoleRenderer(colors=coloured, exception_formatter=as_lines)]
        if on_terminal
        else [
            structlog.processors.ExceptionRenderer(as_text),
            structlog.processors.JSONRenderer(_dumps),
        ]
    )
    structlog.configure(
        processors=[*chain, *render],
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", GatheredLines(sys.stderr))),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    _configure_libraries(level, chain, render)
    log_what_ends_us()


class GatheredLines:
    """Writes together what was written within one turn of the event loop: a system call, not many.

    What no event loop's thread writes goes out at once.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._gathered: list[str] = []
        atexit.register(self._send)

    def write(self, text: str) -> None:
        """Write text that ends with its line."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._out(text)
            return
        if not self._gathered:
            loop.call_soon(self._send)
        self._gathered.append(text)

    def flush(self) -> None:
        """Nothing is held back beyond the turn."""

    def _send(self) -> None:
        gathered, self._gathered = self._gathered, []
        if gathered:
            self._out("".join(gathered))

    def _out(self, text: str) -> None:
        with suppress(OSError):  # a full disk costs lines, and stops nothing that would be told of
            self._file.write(text)
            self._file.flush()


def _configure_libraries(
    level: str,
    chain: list[structlog.types.Processor],
    render: list[structlog.types.Processor],
) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_without_errors_text, *chain],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for chatty in ("alembic", "dramatiq", "periodiq"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _without_errors_text(
    _: object, __: str, event: structlog.types.EventDict
) -> structlog.types.EventDict:
    """Of a task's error that nobody awaits, asyncio says the text in lines of its own."""
    if event["_record"].name == "asyncio":
        event["event"] = str(event["event"]).partition("\n")[0]
    return event


def _add_trace(_: object, __: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    """Name the trace that an event belongs to, where traces are made."""
    tracing = active()
    if tracing is not None and (ids := tracing.ids()) is not None:
        event["trace_id"], event["span_id"] = ids
    return event


def _dumps(value: object, **_: object) -> str:
    return msgspec.json.encode(value, enc_hook=str).decode()
