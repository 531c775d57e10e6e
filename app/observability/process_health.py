"""`/live` and `/ready` of a process that is no API, beside its `/metrics`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import msgspec

LIVE, READY = "/live", "/ready"

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
WsgiApp = Callable[[Environ, StartResponse], Iterable[bytes]]


class ReportsHealth(Protocol):
    """What a process knows of its health."""

    def stale(self) -> dict[str, str]: ...
    def servers(self) -> dict[str, str]: ...


def with_health(app: WsgiApp, vitals: ReportsHealth) -> WsgiApp:
    """The same application, which also tells of the process's health."""

    def answer(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "HEAD":
            return _without_body(answer, environ, start_response)
        if environ["PATH_INFO"] == LIVE:
            return _answer(start_response, vitals.stale())
        if environ["PATH_INFO"] == READY:
            return _answer(start_response, vitals.servers())
        return app(environ, start_response)

    return answer


def _without_body(app: WsgiApp, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """HEAD: what GET is answered, but for its body."""
    told: list[tuple[str, list[tuple[str, str]]]] = []

    def keep(status: str, headers: list[tuple[str, str]]) -> None:
        told.append((status, headers))

    body = b"".join(app({**environ, "REQUEST_METHOD": "GET"}, keep))
    ((status, headers),) = told
    others = [header for header in headers if header[0] != "Content-Length"]
    start_response(status, [*others, ("Content-Length", str(len(body)))])
    return []


def _answer(start_response: StartResponse, said: dict[str, str]) -> Iterable[bytes]:
    # Written out: what the API makes its problems with takes longer to import than all else here.
    wrong = [f"{name}: {state}" for name, state in said.items() if state != "ok"]
    if wrong:
        status, kind = "503 Service Unavailable", "application/problem+json"
        content: dict[str, object] = {
            "type": "urn:tocsin:problem:service-unavailable",
            "title": "Service Unavailable",
            "status": 503,
            "detail": "; ".join(wrong) + ".",
        }
    else:
        status, kind, content = "200 OK", "application/json", {"status": "ok"}
    body = msgspec.json.encode(content)
    start_response(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
    return [body]
