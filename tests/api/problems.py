"""What every problem document looks like."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any

import httpx
import msgspec

_ALLOWED = {"type", "title", "status", "detail", "errors"}


def title(status: int) -> str:
    """What a problem of a status is called, if it has no name of its own."""
    return {414: "URI Too Long", 422: "Invalid"}.get(status, HTTPStatus(status).phrase)


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The answer's problem document, checked against RFC 9457 and our own promises."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document = msgspec.json.decode(answer.content, type=dict[str, Any])
    assert {"type", "title", "status", "detail"} <= set(document) <= _ALLOWED
    assert document["status"] == status
    assert re.fullmatch(r"urn:tocsin:problem:[a-z-]+", document["type"])
    assert document["title"] == title(status) or document["title"].startswith("Idempotency-Key ")
    assert document["detail"]
    return document


def wrong_values(answer: httpx.Response) -> list[str]:
    """The pointers of a 422, each with a sentence of its own."""
    errors = problem(answer, 422)["errors"]
    assert all(error["detail"] for error in errors)
    return [error["pointer"] for error in errors]


def wrong_parameters(answer: httpx.Response) -> list[str]:
    """The parameters of a 422, each with a sentence of its own."""
    errors = problem(answer, 422)["errors"]
    assert all(error["detail"] for error in errors)
    return [error["parameter"] for error in errors]
