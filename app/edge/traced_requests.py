"""A span for each request, around all that is done for it; only where traces are wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from storage.tracing.otel import Tracing

# Asked every few seconds by machines, and of no interest.
_UNTRACED = ("/health/", "/metrics")


class TracedRequests:
    """Around the whole application."""

    def __init__(self, app: ASGIApp, tracing: Tracing) -> None:
        self._app = app
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP and not scope["path"].startswith(_UNTRACED):
            await self._serve(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _serve(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        attributes = {"http.request.method": scope["method"], "url.path": scope["path"]}
        with self._tracing.serving(scope["method"], headers, attributes) as span:

            async def observe(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                await send(message)

            await self._app(scope, receive, observe)
            if route := scope.get("path_template"):
                span.update_name(f"{scope['method']} {route}")
                span.set_attribute("http.route", str(route))
