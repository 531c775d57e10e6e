"""Whatever text stands in an address, a query or a body: the server does not fail with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest

from tests.access.conftest import calling
from tests.access.test_access_table import BODIES
from tests.processes import System

ODD = [
    "a\0b",
    "\0",
    "\u202e\u0000",
    "\ufeff",
    "\U0001f4a5" * 60,
    "a\nb",
    "e\u0301",
    "\ud7ff",
    "%00",
]
Operation = tuple[str, str, dict[str, Any]]


@pytest.fixture(scope="module")
def document(installation: System) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{installation.url}/openapi.json").json()
    return found


@pytest.fixture
def client(installation: System, operator: httpx.Client, service_id: str) -> Iterator[httpx.Client]:
    """The operator in a service: may do all."""
    key = operator.headers["authorization"].removeprefix("Bearer ")
    with calling(installation, key, service_id) as calls:
        yield calls


def operations(document: dict[str, Any]) -> list[Operation]:
    return [
        (method.upper(), path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if operation.get("security")
    ]


def is_text(schema: dict[str, Any]) -> bool:
    kinds = [schema, *schema.get("oneOf", ()), *schema.get("anyOf", ())]
    return any(kind.get("type") == "string" and "format" not in kind for kind in kinds)


def test_in_queries_and_addresses(
    document: dict[str, Any], client: httpx.Client, service_id: str
) -> None:
    tried = 0
    for method, path, operation in operations(document):
        parameters = [one for one in operation.get("parameters", ()) if is_text(one["schema"])]
        ids = {one["name"]: str(uuid4()) for one in operation.get("parameters", ())}
        ids["service_id"] = service_id
        for parameter in parameters:
            for odd in ODD if parameter["in"] in {"query", "path"} else ():
                named = {parameter["name"]: odd}
                at = path.format(**{k: quote(v, safe="") for k, v in {**ids, **named}.items()})
                query = named if parameter["in"] == "query" else {}
                answer = client.request(
                    method, at, params=query, json=BODIES.get(f"{method} {path}")
                )
                assert answer.status_code < 500, (method, path, named, answer.text)
                tried += 1
    assert tried > 10 * len(ODD)


def test_in_bodies(document: dict[str, Any], client: httpx.Client, service_id: str) -> None:
    schemas = document["components"]["schemas"]
    tried = 0
    for method, path, operation in operations(document):
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        reference = str(content.get("schema", {})).rpartition("schemas/")[2].partition("'")[0]
        fields = schemas.get(reference, {}).get("properties", {})
        for field in [name for name, schema in fields.items() if is_text(schema)]:
            for odd in ODD:
                at = path.format_map(
                    {**dict.fromkeys(_names(path), str(uuid4())), "service_id": service_id}
                )
                body = {**BODIES.get(f"{method} {path}", {}), field: odd}
                answer = client.request(method, at, json=body)
                assert answer.status_code < 500, (method, path, field, odd, answer.text)
                tried += 1
    assert tried > 5 * len(ODD)


def _names(path: str) -> list[str]:
    return [part[1:-1] for part in path.split("/") if part.startswith("{")]
