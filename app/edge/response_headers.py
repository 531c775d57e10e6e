"""Headers of every answer: what browsers and caches may do with it."""

from __future__ import annotations

from litestar.types import ASGIApp, Message, Receive, Scope, Send

Headers = list[tuple[bytes, bytes]]

PAGE = "/docs"
# Nothing that the API answers is to be shown as a page, or within one.
_API_POLICY = b"default-src 'none'; frame-ancestors 'none'"
# Swagger UI sets styles inline and shows icons from data URLs; its scripts are files of ours.
_PAGE_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    b"img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    b"frame-ancestors 'none'"
)
_TLS = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")
_ALWAYS: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
_NOT_KEPT: Headers = [(b"cache-control", b"no-store")]
# A reader's own cache may keep it, and asks with the entity tag each time before it is used. One
# that is shared may not; what it makes of `private` or not, an answer is for one key only.
_ASKED_AGAIN: Headers = [
    (b"cache-control", b"private, no-cache"),
    (b"vary", b"Authorization, Tocsin-Service"),
]
_ASSET: Headers = [(b"cache-control", b"public, max-age=3600")]


def api_headers(*, tls: bool) -> Headers:
    """The headers of an answer that nobody keeps.

    Args:
        tls: Whether browsers are to insist on TLS, which ends in front of us.
    """
    return [*_always(tls=tls), (b"content-security-policy", _API_POLICY), *_NOT_KEPT]


class ResponseHeaders:
    """Adds them, and what admission tells of rate limits.

    Args:
        tls: Whether browsers are to insist on TLS, which ends in front of us.
    """

    def __init__(self, app: ASGIApp, *, tls: bool) -> None:
        self._app = app
        api: Headers = [*_always(tls=tls), (b"content-security-policy", _API_POLICY)]
        page: Headers = [*_always(tls=tls), (b"content-security-policy", _PAGE_POLICY)]
        self._plain = api_headers(tls=tls)
        self._tagged = [*api, *_ASKED_AGAIN]
        self._page = [*page, *_NOT_KEPT]
        self._asset = [*page, *_ASSET]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]  # the router changes it

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [*message["headers"], *scope["state"].get("headers", ())]
                headers += self._of(path, message["status"], headers)
                message["headers"] = headers
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _of(self, path: str, status: int, headers: Headers) -> Headers:
        """Those of an answer that has some of its own."""
        if path.startswith(PAGE):
            return self._asset if status == 200 and path != PAGE else self._page
        if status in {200, 304} and any(name == b"etag" for name, _ in headers):
            return self._tagged
        return self._plain


def _always(*, tls: bool) -> Headers:
    return [*_ALWAYS, _TLS] if tls else _ALWAYS
