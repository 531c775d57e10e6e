"""`/openapi.json`, encoded once: it takes longer than any other answer, and anybody may ask."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from litestar import Litestar, MediaType, Response, get
from litestar.serialization import encode_json
from msgspec import Struct

from app.openapi.handlers import handlers_of
from app.openapi.operations import METHODS, complete_operation
from app.openapi.schemas import schemas
from app.requests.access import Access
from app.requests.request import MERGE_PATCH, ServiceRequest
from app.responses.cached_answers import has_tag

_TAGS = {
    "Jobs": "What is to be rung, and when",
    "Runs": "Every firing, with what the target answered",
    "Backfills": "Fire times that have passed, run again",
    "Schedules": "When a schedule would fire",
    "Calendars": "Days on which jobs do not fire",
    "Targets": "How what is rung fares",
    "Services": "The systems that jobs belong to",
    "Keys": "What programs authorise themselves by",
    "Members": "People of a service",
    "Secrets": "What targets are told and signatures are made with",
    "Audit": "Who did what",
    "Operations": "For whoever runs Tocsin",
}


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


def description_of(app: Litestar) -> dict[str, Any]:
    """The document of an application: what Litestar knows of it, and all that it leaves out."""
    document = app.openapi_schema.to_schema()
    document["tags"] = [{"name": name, "description": text} for name, text in _TAGS.items()]
    handlers = handlers_of(app)
    document["components"]["schemas"] = schemas(handlers.values())
    for item in document["paths"].values():
        for operation in (item[method] for method in METHODS if method in item):
            complete_operation(operation, handlers[operation["operationId"]])
            _sort_headers(operation)
        if "patch" in item:
            content = item["patch"]["requestBody"]["content"]
            content[MERGE_PATCH] = content["application/json"]
    return document


def _sort_headers(operation: dict[str, Any]) -> None:
    """Litestar keeps headers in sets: each process would have a text and a tag of its own."""
    for response in operation["responses"].values():
        if "headers" in response:
            response["headers"] = dict(sorted(response["headers"].items()))


def _document(app: Litestar) -> Document:
    document: Document | None = app.state.get("document")
    if document is None:
        body = encode_json(description_of(app))
        document = app.state.document = Document(body, f'"{sha256(body).hexdigest()[:32]}"')
    return document
