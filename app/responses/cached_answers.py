"""Cached answers, sent as they are, or not at all to those who have them."""

from __future__ import annotations

from typing import Any

from litestar import MediaType, Response
from litestar.openapi.datastructures import ResponseSpec

from app.requests.request import ServiceRequest
from queries.cached import CachedQuery
from storage.cache.cache_entry import CacheEntry

NOT_MODIFIED = {304: ResponseSpec(None, description="The client has it already")}


def answer(entry: CacheEntry, query: CachedQuery, request: ServiceRequest) -> Response[Any]:
    """The entry's bytes, or 304 when `If-None-Match` names them.

    Args:
        query: What the entry answers; the next request with its URL needs no route.
    """
    request.app.state.remembered.remember(request.scope, query)
    headers = {"ETag": entry.etag}
    if has_tag(entry.etag, request.headers.get("if-none-match")):
        return Response(None, status_code=304, headers=headers)
    return Response(entry.body, media_type=MediaType.JSON, headers=headers)


def has_tag(etag: str, if_none_match: str | None) -> bool:
    """Whether a client has the answer with that tag, compared weakly (RFC 9110, 13.1.2)."""
    if if_none_match is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return etag in tags or "*" in tags
