"""Cached answers, sent as they are, or not at all to those who have them."""

from __future__ import annotations

from typing import Any

from litestar import MediaType, Response
from litestar.openapi.datastructures import ResponseSpec

from app.requests import ServiceRequest
from storage.entries import Entry

NOT_MODIFIED = {304: ResponseSpec(None, description="The client has it already")}


def answer(entry: Entry, request: ServiceRequest) -> Response[Any]:
    """The entry's bytes, or 304 when `If-None-Match` names them."""
    headers = {"ETag": entry.etag}
    if _matches(request.headers.get("if-none-match"), entry.etag):
        return Response(None, status_code=304, headers=headers)
    return Response(entry.body, media_type=MediaType.JSON, headers=headers)


def _matches(header: str | None, etag: str) -> bool:
    """Whether a list of entity tags names one, compared weakly as RFC 9110 13.1.2 asks."""
    if header is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return etag in tags or "*" in tags
