"""Reads that have been asked before are answered before Litestar sees them.

Once a route has answered a URL, what the URL asks is known, whichever service asks it. All else
goes to Litestar: another method, a new key or URL, a job that is not there, an error.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TypeGuard
from uuid import UUID

import msgspec
from cachetools import LRUCache
from litestar.types import ASGIApp, Receive, Scope, Send
from msgspec import Struct

from app.edge.authentication.principals import Principal
from app.responses.cached_answers import has_tag
from domain.access.scopes import INSTALLATION
from domain.access.scopes import Scope as Right
from queries.cached import CachedQuery
from storage.cache.cache_entry import CacheEntry
from storage.cache.read_cache import Loaded
from storage.postgres.pools import Driver
from storage.shards import Shards

REMEMBERED_BYTES = 32 * 1024 * 1024
"""Of URLs with what they ask; the least recently used are forgotten."""
LONGEST_URL = 1_024
"""A longer one goes to Litestar each time."""
_BYTES_OF_ONE = 1_024
"""For a query, its slot in the cache and all else that does not grow with its URL."""
_TIMES_ITS_LENGTH = 12
"""A URL of many short tags has them in its query as objects of 50 bytes each."""


class Named(Struct, frozen=True):
    """What a URL asks, the entry that answers it (which takes a while to name), and the route.

    Attributes:
        costly: Whether it may take long to load.
    """

    query: CachedQuery
    entry: str
    route: str
    length: int
    costly: bool


def _size(named: Named) -> int:
    return _BYTES_OF_ONE + _TIMES_ITS_LENGTH * named.length


class Remembered:
    """What URLs ask, as far as their routes have answered them."""

    def __init__(self) -> None:
        self._named: LRUCache[bytes, Named] = LRUCache(REMEMBERED_BYTES, _size)

    def remember(self, scope: Scope, query: CachedQuery) -> None:
        """A route has answered a GET with what a query reads, whichever service asks it."""
        url = _url(scope)
        if len(url) <= LONGEST_URL:
            template = scope["path_template"]
            self._named[url] = Named(query, query.entry, template, len(url), query.costly)

    def named(self, scope: Scope) -> Named | None:
        """What a request's URL asks, if that is known."""
        return self._named.get(_url(scope))


class CachedReads:
    """See the module."""

    def __init__(self, app: ASGIApp, shards: Shards, remembered: Remembered) -> None:
        self._app = app
        self._shards = shards
        self._remembered = remembered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        entry = await self._entry(scope) if scope.get("method") == "GET" else None
        if entry is None:
            await self._app(scope, receive, send)
            return
        known = has_tag(entry.etag, _header(scope, b"if-none-match"))
        body = b"" if known else entry.body
        await send(
            {
                "type": "http.response.start",
                "status": 304 if known else 200,
                "headers": _headers(entry, known=known),
            }
        )
        await send({"type": "http.response.body", "body": body, "more_body": False})

    async def _entry(self, scope: Scope) -> CacheEntry | None:
        named = self._remembered.named(scope)
        principal = scope["state"].get("principal")
        if named is None or not _may_read(principal):
            return None
        try:
            entry = await self._read(named, principal.service_id, datetime.now(UTC))
        except Exception as error:  # noqa: BLE001 - the route's guard raises it
            scope["state"]["principal"] = error
            return None
        if not entry.body:
            return None
        scope["path_template"] = named.route
        return named.query.shown(entry)

    async def _read(self, named: Named, service_id: UUID, now: datetime) -> CacheEntry:
        shard = self._shards.of(service_id)

        async def load(driver: Driver) -> Loaded:
            query = msgspec.structs.replace(named.query, service_id=service_id, now=now)
            return await query.load(driver, shard)

        return await shard.read_cached(service_id, named.entry, now, load, costly=named.costly)


def _may_read(principal: object) -> TypeGuard[Principal]:
    return (
        isinstance(principal, Principal)
        and Right.READ in principal.scopes
        and principal.service_id != INSTALLATION
    )


def _url(scope: Scope) -> bytes:
    return scope["raw_path"] + b"?" + scope["query_string"]


def _header(scope: Scope, name: bytes) -> str | None:
    for found, value in scope["headers"]:
        if found == name:
            return value.decode("latin-1")
    return None


def _headers(entry: CacheEntry, *, known: bool) -> list[tuple[bytes, bytes]]:
    headers = [(b"etag", entry.etag.encode())]
    if not known:
        headers.append((b"content-type", b"application/json"))
        headers.append((b"content-length", b"%d" % len(entry.body)))
    return headers
