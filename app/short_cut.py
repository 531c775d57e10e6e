"""Reads that need nothing but the cache are answered before Litestar sees them.

The short cut knows what the long way has answered before: which entry a URL names. Whatever is not
plainly a hit goes the long way: another method, a key or a URL that is new, a miss, an error.
"""

from __future__ import annotations

from datetime import UTC, datetime

from cachetools import LRUCache
from litestar.types import ASGIApp, Receive, Scope, Send
from msgspec import Struct

from app.auth import Principal
from app.entries import is_known
from domain.access import Scope as Right
from storage.entries import Entry
from storage.shards import Shards

REMEMBERED = 50_000
"""URLs at most; the least recently used are forgotten."""


class Named(Struct, frozen=True):
    """What a URL is of: an entry, and the route that answers it."""

    entry: str
    route: str


class ShortCut:
    """Around the Litestar application; see the module."""

    def __init__(self, app: ASGIApp, shards: Shards) -> None:
        self._app = app
        self._shards = shards
        self._named: LRUCache[bytes, Named] = LRUCache(REMEMBERED)

    def remember(self, scope: Scope, entry: str) -> None:
        """The long way has answered a GET with an entry of that name."""
        self._named[_url(scope)] = Named(entry, scope["path_template"])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        entry = await self._hit(scope) if scope.get("method") == "GET" else None
        if entry is None:
            await self._app(scope, receive, send)
            return
        known = is_known(entry, _header(scope, b"if-none-match"))
        body = b"" if known else entry.body
        await send(
            {
                "type": "http.response.start",
                "status": 304 if known else 200,
                "headers": _headers(entry, known=known),
            }
        )
        await send({"type": "http.response.body", "body": body, "more_body": False})

    async def _hit(self, scope: Scope) -> Entry | None:
        named = self._named.get(_url(scope))
        if named is None:
            return None
        principal = scope["state"].get("principal")
        if not isinstance(principal, Principal) or Right.READ not in principal.scopes:
            return None
        service_id = principal.service_id
        entry = await self._shards.of(service_id).hit(service_id, named.entry, datetime.now(UTC))
        if entry is None or not entry.body:
            return None
        scope["path_template"] = named.route
        return entry


def _url(scope: Scope) -> bytes:
    return scope["raw_path"] + b"?" + scope["query_string"]


def _header(scope: Scope, name: bytes) -> str | None:
    for found, value in scope["headers"]:
        if found == name:
            return value.decode("latin-1")
    return None


def _headers(entry: Entry, *, known: bool) -> list[tuple[bytes, bytes]]:
    headers = [(b"etag", entry.etag.encode())]
    if not known:
        headers.append((b"content-type", b"application/json"))
        headers.append((b"content-length", b"%d" % len(entry.body)))
    return headers
