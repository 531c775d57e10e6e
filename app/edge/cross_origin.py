"""CORS: which pages of other origins may call the API from a browser, by an allow-list.

No answer allows credentials: keys travel in `Authorization`, which a page sends by itself, and
there are no cookies that a browser would add.
"""

from __future__ import annotations

from collections.abc import Collection

from litestar.types import ASGIApp, Message, Receive, Scope, Send

_METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE"
_ASKED_WITH = (
    b"Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Tocsin-Service, "
    b"X-Request-Id"
)
_SHOWN = (
    b"ETag, Location, Retry-After, RateLimit, RateLimit-Policy, Idempotency-Replayed, X-Request-Id"
)
_PREFLIGHT_SECONDS = b"3600"
_VARY = (b"vary", b"Origin")


class CrossOrigin:
    """Around admission: a page reads its refusals too.

    Args:
        origins: Such as `https://console.example`, exactly as browsers send them.
    """

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        self._app = app
        self._origins = frozenset(origin.encode() for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = dict(scope["headers"])
        origin = asked.get(b"origin")
        allowed = origin if origin in self._origins else None
        if scope.get("method") == "OPTIONS" and b"access-control-request-method" in asked:
            await _answer_preflight(allowed, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_headers(allowed)]
            await send(message)

        await self._app(scope, receive, send_with_headers)


async def _answer_preflight(allowed: bytes | None, send: Send) -> None:
    headers = [_VARY]
    if allowed is not None:
        headers += [
            (b"access-control-allow-origin", allowed),
            (b"access-control-allow-methods", _METHODS),
            (b"access-control-allow-headers", _ASKED_WITH),
            (b"access-control-max-age", _PREFLIGHT_SECONDS),
        ]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _headers(allowed: bytes | None) -> list[tuple[bytes, bytes]]:
    # Also to those of no origin: what a cache keeps of them is not for a page of one.
    if allowed is None:
        return [_VARY]
    return [
        _VARY,
        (b"access-control-allow-origin", allowed),
        (b"access-control-expose-headers", _SHOWN),
    ]
