"""HEAD wherever GET is (RFC 9110, 9.3.2), and OPTIONS that tell of every method of an address."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from litestar.routes import BaseRoute, HTTPRoute
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send


class Methods:
    """Around the Litestar application, which hears of GET only, and at several addresses in one.

    Args:
        routes: Of the application; several may be of one address.
    """

    def __init__(self, app: ASGIApp, routes: Iterable[BaseRoute]) -> None:
        self._app = app
        self._methods: dict[str, set[str]] = {}
        for route in routes:
            if isinstance(route, HTTPRoute):
                self._methods.setdefault(route.path_format, set()).update(route.methods)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = scope.get("method")
        if method == "HEAD":
            await self._answer_head(cast("HTTPScope", scope), receive, send)
        elif method == "OPTIONS":
            await self._app(scope, receive, self._telling_all(scope, send))
        else:
            await self._app(scope, receive, send)

    async def _answer_head(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        async def send_head(message: Message) -> None:
            # To all around, which count and log it, and to the server it is what was asked.
            scope["method"] = "HEAD"
            if message["type"] == "http.response.body":
                if message.get("more_body"):
                    return
                message["body"] = b""
            await send(message)

        scope["method"] = "GET"
        try:
            await self._app(scope, receive, send_head)
        finally:
            scope["method"] = "HEAD"

    def _telling_all(self, scope: Scope, send: Send) -> Send:
        async def send_all(message: Message) -> None:
            if message["type"] == "http.response.start":
                methods = self._methods.get(scope.get("path_template") or "", ())
                message["headers"] = [
                    (name, allow(methods).encode() if name == b"allow" and methods else value)
                    for name, value in message["headers"]
                ]
            await send(message)

        return send_all


def allow(methods: Iterable[str]) -> str:
    """The `Allow` header of an address with handlers of these methods."""
    found = set(methods)
    return ", ".join(sorted(found | {"OPTIONS"} | ({"HEAD"} if "GET" in found else set())))
