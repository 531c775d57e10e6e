"""Serving over HTTP, with uvicorn."""

from __future__ import annotations

import asyncio
import socket
from functools import partial
from typing import Any

import uvicorn
from litestar.types import ASGIApp

from app.edge.connections.bounded_protocol import BoundedProtocol
from app.edge.connections.leaving_server import LeavingServer
from app.edge.response_headers import api_headers
from app.up.listening import BACKLOG, listen
from storage.gc_tuning import collect_rarely

LAST_SECONDS = 1  # before what is still under way is cancelled


def serve(
    app: ASGIApp,
    host: str,
    port: int,
    listening: socket.socket | None = None,
    *,
    metrics_port: int = 0,
    tls: bool = False,
) -> None:
    """Serve until a signal asks for the end, then finish what is under way.

    Args:
        listening: A socket that listens already, in place of host and port.
        metrics_port: Another port to listen on; the application knows which request came there.
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
    sockets = [listening] if listening else None
    if metrics_port:
        sockets = [*(sockets or listen(host, port, 1)), *listen(host, metrics_port, 1)]
    LeavingServer(config, leaving).run(sockets=sockets)


def _protocol(leaving: asyncio.Event, *, tls: bool) -> Any:
    # Uvicorn calls it like a class.
    return partial(BoundedProtocol, api_headers(tls=tls), leaving)
