"""Each request gets an id, a log line and a place in the metrics."""

from __future__ import annotations

import logging
import re
import time
from functools import cache

import structlog
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from prometheus_client import Counter, Histogram

from domain.ids import new_id_text

log = structlog.get_logger()
REQUESTS = Counter("tocsin_http_requests_total", "Requests.", ["method", "route", "status"])
SECONDS = Histogram(
    "tocsin_http_request_seconds",
    "From the request's head to the response's.",
    ["method", "route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
_SAFE_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")


class Observation:
    """Around the whole application, so that it also sees what the router refuses."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        path = scope["path"]  # the router changes it
        started = time.perf_counter()

        async def observe(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
                _note(scope, path, message["status"], time.perf_counter() - started)
            await send(message)

        await self._app(scope, receive, observe)


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _SAFE_ID.fullmatch(value):
            return value.decode()
    return new_id_text()


def _note(scope: Scope, path: str, status: int, seconds: float) -> None:
    method, route = _method(scope), scope.get("path_template") or "unknown"
    requests, duration = _series(method, route, status)
    requests.inc()
    duration.observe(seconds)
    level = logging.INFO if status >= 400 or method != "GET" else logging.DEBUG
    ms = round(seconds * 1_000, 1)
    log.log(level, "request.finished", method=method, path=path, status=status, ms=ms)


@cache
def _series(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    return REQUESTS.labels(method, route, status), SECONDS.labels(method, route)


def _method(scope: Scope) -> str:
    # What a client makes up must not become a label of its own.
    method = str(scope.get("method", ""))
    known = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
    return method if method in known else "other"
