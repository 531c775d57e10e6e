"""Cached answers, sent as they are, or not at all to those who have them."""

from __future__ import annotations

from typing import Any

from litestar import MediaType, Response
from litestar.openapi.datastructures import ResponseSpec

from app.requests import ServiceRequest
from storage.entries import Entry

NOT_MODIFIED = {304: ResponseSpec(None, description="The client has it already")}


def answer(entry: Entry, name: str, request: ServiceRequest) -> Response[Any]:
    """The entry's bytes, or 304 when `If-None-Match` names them.

    Args:
        name: Under which it is cached; the next request for it may take the short cut.
    """
    request.app.state.short_cut.remember(request.scope, name)
    headers = {"ETag": entry.etag}
    if is_known(entry, request.headers.get("if-none-match")):
        return Response(None, status_code=304, headers=headers)
    return Response(entry.body, media_type=MediaType.JSON, headers=headers)


def is_known(entry: Entry, if_none_match: str | None) -> bool:
    """Whether a client has an entry: its entity tags are compared weakly (RFC 9110, 13.1.2)."""
    if if_none_match is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return entry.etag in tags or "*" in tags
