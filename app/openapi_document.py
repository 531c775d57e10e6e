"""`/openapi.json`, encoded once: it takes longer than any other answer, and anybody may ask."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from litestar import Litestar, MediaType, Response, get
from litestar.serialization import encode_json
from msgspec import Struct

from app.access import Access
from app.entries import has_tag
from app.requests import ServiceRequest


class Document(Struct, frozen=True):
    """The text, and the entity tag of it."""

    body: bytes
    etag: str


@get("/openapi.json", needs=Access.PUBLIC, include_in_schema=False, sync_to_thread=False)
def openapi_document(request: ServiceRequest) -> Response[Any]:
    """The API's description, in OpenAPI 3.1."""
    document = _document(request.app)
    headers = {"ETag": document.etag}
    if has_tag(document.etag, request.headers.get("if-none-match")):
        return Response(None, status_code=304, headers=headers)
    return Response(document.body, media_type=MediaType.JSON, headers=headers)


def _document(app: Litestar) -> Document:
    document: Document | None = app.state.get("document")
    if document is None:
        body = encode_json(app.openapi_schema.to_schema())
        document = app.state.document = Document(body, f'"{sha256(body).hexdigest()[:32]}"')
    return document
