"""Headers in the API's description: those that are the same for many operations."""

from __future__ import annotations

from litestar.openapi.spec import (
    OpenAPI,
    OpenAPIHeader,
    OpenAPIResponse,
    Operation,
    Parameter,
    Schema,
)
from litestar.openapi.spec.enums import OpenAPIType

# What changes nothing; and what is answered with a new key or secret, which is kept nowhere.
NOT_KEYED = {
    "previewSchedule",
    "createService",
    "createKey",
    "rotateKey",
    "createMyKey",
    "rotateMyKey",
    "rotateSigningSecret",
}
_TEXT = Schema(type=OpenAPIType.STRING)
_REQUEST_ID = OpenAPIHeader(
    description="The request's, or a new one: what logs and the audit name it by", schema=_TEXT
)
_REPLAYED = OpenAPIHeader(
    description="`true`: this is the answer to an earlier request with this Idempotency-Key",
    schema=_TEXT,
)
_LATER = OpenAPIHeader(
    description="Seconds to wait, if a request with this Idempotency-Key is in progress",
    schema=_TEXT,
)
_OF_STATUS = {
    "401": ("WWW-Authenticate", "Always `Bearer`"),
    "429": ("Retry-After", "Seconds to wait before the next try"),
    "503": ("Retry-After", "Seconds to wait before the next try"),
}
_KEY = Parameter(
    name="Idempotency-Key",
    param_in="header",
    description="Of what is sent under one key to one address, the first is done; for 24 hours"
    " the others get its answer, also where that is a refusal",
    schema=Schema(type=OpenAPIType.STRING, min_length=1, max_length=255, pattern=r"^[ -~]+$"),
)


def describe_headers(document: OpenAPI) -> None:
    """Add them to every operation and response."""
    for item in (document.paths or {}).values():
        for operation in (item.get, item.put, item.patch, item.delete):
            _describe(operation, keyed=False)
        if item.post is not None:
            _describe(item.post, keyed=item.post.operation_id not in NOT_KEYED)


def _describe(operation: Operation | None, *, keyed: bool) -> None:
    if operation is None:
        return
    if keyed:
        operation.parameters = [*(operation.parameters or []), _KEY]
    for status, response in (operation.responses or {}).items():
        if isinstance(response, OpenAPIResponse):
            response.headers = {**(response.headers or {}), "X-Request-Id": _REQUEST_ID}
            if keyed and status < "500":
                response.headers["Idempotency-Replayed"] = _REPLAYED
            if status in _OF_STATUS:
                name, description = _OF_STATUS[status]
                response.headers[name] = OpenAPIHeader(description=description, schema=_TEXT)
            if keyed and status == "409":
                response.headers["Retry-After"] = _LATER
