"""Serving over HTTP, with uvicorn."""

from __future__ import annotations

import asyncio
import socket
from functools import partial
from typing import Any

import uvicorn
from litestar.types import ASGIApp

from app.bounded_protocol import BoundedProtocol
from app.leaving_server import LeavingServer
from app.response_headers import api_headers
from app.up.listening import BACKLOG
from storage.garbage import collect_rarely

LAST_SECONDS = 1  # before what is still under way is cancelled


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
    collect_rarely()
    LeavingServer(config, leaving).run(sockets=[listening] if listening else None)


def _protocol(leaving: asyncio.Event, *, tls: bool) -> Any:
    # Uvicorn calls it like a class.
    return partial(BoundedProtocol, api_headers(tls=tls), leaving)
