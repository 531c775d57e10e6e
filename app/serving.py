"""Serving over HTTP, with uvicorn."""

from __future__ import annotations

import asyncio
import gc
import socket
from functools import partial
from typing import Any

import uvicorn
from litestar.types import ASGIApp

from app.bounded_protocol import BoundedProtocol
from app.leaving_server import LeavingServer
from app.response_headers import api_headers
from app.up.listening import BACKLOG

LAST_SECONDS = 1  # before what is still under way is cancelled
GC_THRESHOLD = (10_000, 20, 20)  # a page of jobs makes thousands of objects, none in a cycle


def serve(
    app: ASGIApp,
    host: str,
    port: int,
    listening: socket.socket | None = None,
    *,
    tls: bool = False,
) -> None:
    """Serve until a signal asks for the end, then finish what is under way.

    Args:
        listening: A socket that listens already, in place of host and port.
        tls: Whether TLS ends in front of us.
    """
    leaving = asyncio.Event()
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http=_protocol(leaving, tls=tls),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=LAST_SECONDS,
    )
    # What is loaded by now stays: the garbage collector need not look through it again and again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLD)
    gc.enable()
    LeavingServer(config, leaving).run(sockets=[listening] if listening else None)


def _protocol(leaving: asyncio.Event, *, tls: bool) -> Any:
    # Uvicorn calls it like a class.
    return partial(BoundedProtocol, api_headers(tls=tls), leaving)
