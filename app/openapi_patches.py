"""What Litestar leaves out of the description of changes."""

from __future__ import annotations

from litestar.openapi.spec import OpenAPI, RequestBody

from app.requests import MERGE_PATCH


def describe_patches(document: OpenAPI) -> None:
    """Say that each PATCH takes the media type of a merge patch, too."""
    for path in (document.paths or {}).values():
        operation = path.patch
        if operation is not None and isinstance(operation.request_body, RequestBody):
            content = operation.request_body.content
            content[MERGE_PATCH] = content["application/json"]
