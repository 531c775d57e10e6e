"""What each operation takes and answers, beside what Litestar knows of it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from litestar.handlers import HTTPRouteHandler

from app.openapi.handlers import body_of
from app.openapi.plain_words import REF
from app.requests.access import Access
from app.requests.request import refuse_body
from app.responses.problems import MEDIA_TYPE, Problem
from app.schemas.examples import Examples

Object = dict[str, Any]

METHODS = ("get", "put", "post", "patch", "delete")
_TEXT = {"type": "string"}
_REQUEST_ID = {
    "description": "The request's, or a new one: what logs and the audit name it by",
    "schema": _TEXT,
}
_REPLAYED = {
    "description": "`true`: this is the answer to an earlier request with this Idempotency-Key",
    "schema": _TEXT,
}
_LATER = {
    "description": "Seconds to wait, if a request with this Idempotency-Key is in progress",
    "schema": _TEXT,
}
_OF_STATUS = {
    "401": ("WWW-Authenticate", "Always `Bearer`"),
    "429": ("Retry-After", "Seconds to wait before the next try"),
    "503": ("Retry-After", "Seconds to wait before the next try"),
}
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Of what is sent under one key to one address, the first is done; for 24 hours"
    " the others get its answer, also where that is a refusal",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[ -~]+$"},
}
_IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "description": "The `ETag` of an answer that the client has, or several: 304 if it is still"
    " good",
    "schema": _TEXT,
}
_NULL = {"type": "null"}


def complete_operation(operation: Object, handler: HTTPRouteHandler) -> None:
    """Say all of it.

    Args:
        handler: Its `opt` has `keyed`, if it takes an `Idempotency-Key`; and `partial`, the name of
            the schema that it may answer with in place of its own.
    """
    keyed = handler.opt.get("keyed", False)
    # Where nothing is asked for, that is said: left out, it could have been forgotten.
    operation.setdefault("security", [])
    parameters = operation.setdefault("parameters", [])
    for parameter in parameters:
        _complete_parameter(parameter)
    if keyed:
        parameters.append(_KEY)
    if "304" in operation["responses"]:
        parameters.append(_IF_NONE_MATCH)
    if "requestBody" in operation:
        _complete_body(operation["requestBody"], body_of(handler).EXAMPLES)
    # In place of what Litestar says of a 400 of its own.
    refusals = {str(status): _refusal(status) for status in _refusals_of(handler)}
    operation["responses"] = dict(sorted((operation["responses"] | refusals).items()))
    for status, response in operation["responses"].items():
        _complete_response(response, status, keyed=keyed)
    if "partial" in handler.opt:
        content = operation["responses"]["200"]["content"]["application/json"]
        content["schema"] = {
            "anyOf": [content["schema"], {"$ref": f"{REF}{handler.opt['partial']}"}]
        }
    del operation["deprecated"]


def _refusals_of(handler: HTTPRouteHandler) -> set[int]:
    """The statuses of problems that follow from what a handler is."""
    if handler.opt["needs"] is Access.PUBLIC:
        return set()
    found = {400, 401, 403, 422, 429, 503}
    if body_of(handler) is not None:
        found |= {413, 415}
    if handler.before_request is refuse_body:
        found |= {413}
    if handler.opt.get("keyed"):
        found |= {409}
    return found


def _refusal(status: int) -> Object:
    content = {MEDIA_TYPE: {"schema": {"$ref": f"{REF}{Problem.__name__}"}}}
    return {"description": HTTPStatus(status).phrase, "content": content}


def _complete_parameter(parameter: Object) -> None:
    for usual in ("deprecated", "allowEmptyValue", "allowReserved"):
        parameter.pop(usual, None)
    schema = parameter["schema"]
    schema.pop("description", None)
    # A query has no null, and no reader of one alternative needs `oneOf`.
    for word in ("oneOf", "allOf"):
        choices = [choice for choice in schema.pop(word, ()) if choice != _NULL]
        if len(choices) == 1:
            schema |= choices[0]
        elif choices:
            schema[word] = choices
    parameter["schema"] = {name: _whole(value) for name, value in schema.items()}


def _whole(value: Any) -> Any:
    """Bounds of integers as such."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _complete_body(body: Object, examples: Examples) -> None:
    (media,) = body["content"].values()
    choices = media["schema"].get("oneOf", ())
    if _NULL in choices:
        (media["schema"],) = [choice for choice in choices if choice != _NULL]
        body["required"] = False
    media["examples"] = {
        example.name: {"summary": example.summary, "value": example.value} for example in examples
    }


def _complete_response(response: Object, status: str, *, keyed: bool) -> None:
    headers = response["headers"] = {**response.get("headers", {}), "X-Request-Id": _REQUEST_ID}
    if keyed and status < "500":
        headers["Idempotency-Replayed"] = _REPLAYED
    if status in _OF_STATUS:
        name, description = _OF_STATUS[status]
        headers[name] = {"description": description, "schema": _TEXT}
    if keyed and status == "409":
        headers["Retry-After"] = _LATER
    # Litestar describes a header that a handler sets by itself, but for its schema.
    response["headers"] = {
        name: {"description": header["description"], "schema": header.get("schema", _TEXT)}
        for name, header in headers.items()
    }
