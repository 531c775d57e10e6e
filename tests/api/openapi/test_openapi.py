"""The API describes itself, and the page that shows it needs no other host."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from importlib.metadata import version
from typing import Any
from uuid import UUID

import httpx
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.api.conftest import JSON
from tests.processes import CHECKOUT

Document = dict[str, Any]
PAST = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"}
OPERATIONS = {
    "POST /jobs",
    "GET /jobs",
    "GET /jobs/{job_id}",
    "PATCH /jobs/{job_id}",
    "DELETE /jobs/{job_id}",
    "POST /jobs/{job_id}/pause",
    "POST /jobs/{job_id}/resume",
    "POST /jobs/{job_id}/trigger",
    "GET /jobs/{job_id}/runs",
    "GET /jobs/{job_id}/ledger",
    "GET /jobs/{job_id}/preview",
    "GET /jobs/{job_id}/stats",
    "POST /jobs/{job_id}/backfills",
    "GET /jobs/{job_id}/backfills",
    "GET /backfills/{backfill_id}",
    "POST /backfills/{backfill_id}/cancel",
    "GET /runs",
    "GET /runs/{run_id}",
    "POST /runs/{run_id}/cancel",
    "POST /runs/{run_id}/replay",
    "POST /runs/cancel",
    "POST /runs/replay",
    "POST /schedules/preview",
    "GET /stats",
    "GET /services",
    "POST /services",
    "GET /services/{service_id}",
    "PATCH /services/{service_id}",
    "GET /services/{service_id}/keys",
    "POST /services/{service_id}/keys",
    "POST /services/{service_id}/keys/{key_id}/rotate",
    "DELETE /services/{service_id}/keys/{key_id}",
    "GET /services/{service_id}/secrets",
    "PUT /services/{service_id}/secrets/{name}",
    "DELETE /services/{service_id}/secrets/{name}",
    "GET /services/{service_id}/signing-secrets",
    "POST /services/{service_id}/signing-secrets/rotate",
    "GET /services/{service_id}/members",
    "PUT /services/{service_id}/members/{subject}",
    "DELETE /services/{service_id}/members/{subject}",
    "GET /me",
    "GET /me/keys",
    "POST /me/keys",
    "POST /me/keys/{key_id}/rotate",
    "DELETE /me/keys/{key_id}",
    "GET /audit",
    "GET /targets",
    "GET /calendars",
    "GET /calendars/{name}",
    "PUT /calendars/{name}",
    "DELETE /calendars/{name}",
    "GET /health/live",
    "GET /health/ready",
    "GET /metrics",
}
OF_AN_OPERATOR = {"GET /health/live", "GET /health/ready", "GET /metrics"}
OF_A_SERVICE = OPERATIONS - OF_AN_OPERATOR
OF_AN_INSTALLATION = "PATCH /services/{service_id}"
# What makes its object when there is none.
MAKES = {"PUT /calendars/{name}"}


@pytest.fixture(scope="module")
def document(api: httpx.Client) -> Document:
    answer = api.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    found: Document = answer.json()
    return found


def test_who_has_the_document_is_not_sent_it_again(api: httpx.Client) -> None:
    first = api.get("/openapi.json")
    again = api.get("/openapi.json", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert {answer.headers["cache-control"] for answer in (first, again)} == {"private, no-cache"}
    assert api.get("/openapi.json", headers={"if-none-match": '"x"'}).content == first.content


def operations(document: Document) -> dict[str, Document]:
    return {
        f"{method.upper()} {path}": operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }


def inside(value: object) -> Iterator[Document]:
    """Every object in the document."""
    if isinstance(value, dict):
        yield value
    for child in value.values() if isinstance(value, dict) else value:
        if isinstance(child, dict | list):
            yield from inside(child)


def test_it_is_openapi_3_1_of_this_version(document: Document) -> None:
    assert document["openapi"].startswith("3.1.")
    assert document["info"]["title"] == "Tocsin"
    assert document["info"]["version"] == version("tocsin")


def test_it_lists_every_endpoint_with_an_id_and_a_summary(document: Document) -> None:
    found = operations(document)
    assert set(found) == OPERATIONS
    assert len({operation["operationId"] for operation in found.values()}) == len(OPERATIONS)
    assert all(operation["summary"] for operation in found.values())


def test_every_reference_leads_somewhere(document: Document) -> None:
    names = {
        part["$ref"].removeprefix("#/components/schemas/")
        for part in inside(document)
        if "$ref" in part
    }
    assert names
    assert names <= set(document["components"]["schemas"])


def test_a_service_needs_its_key_and_an_operator_none(document: Document) -> None:
    scheme = document["components"]["securitySchemes"]["api_key"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    for name, operation in operations(document).items():
        expected = [{"api_key": []}] if name in OF_A_SERVICE else []
        assert operation["security"] == expected, name


@pytest.mark.parametrize("name", sorted(OF_A_SERVICE))
def test_every_refusal_is_described_as_a_problem(document: Document, name: str) -> None:
    responses = operations(document)[name]["responses"]
    refusals = {status for status in responses if status >= "400"}
    assert refusals >= {"400", "401", "403", "429", "503"}
    assert refusals >= (
        {"413", "415", "422"} if "requestBody" in operations(document)[name] else set()
    )
    assert ("404" in refusals) == ("{" in name and name not in MAKES)
    for status in refusals:
        (media_type,) = responses[status]["content"].items()
        schema = {"$ref": "#/components/schemas/Problem"}
        assert media_type == ("application/problem+json", {"schema": schema})
    assert "WWW-Authenticate" in responses["401"]["headers"]
    assert "Retry-After" in responses["503"]["headers"]


def test_what_clients_send_is_described_as_strictly_as_it_is_read(document: Document) -> None:
    schemas = document["components"]["schemas"]
    bodies = [name for name in schemas if name.endswith("Body")]
    assert set(bodies) >= {"JobBody", "JobChangesBody", "ScheduleBody", "RetryBody"}
    for name in bodies:
        assert schemas[name]["additionalProperties"] is False
    job = schemas["JobBody"]
    assert set(job["required"]) == {"schedule", "target"}
    assert job["properties"]["name"].items() >= {"minLength": 1, "maxLength": 200}.items()
    assert job["properties"]["tags"]["items"]["maxLength"] == 64
    specs = [choice["required"] for choice in schemas["ScheduleBody"]["if"]["oneOf"]]
    assert specs == [["at"], ["after"], ["every"], ["cron"], ["rrule"], ["specs"]]
    after = schemas["ScheduleBody"]["properties"]["after"]
    assert after == {"$ref": "#/components/schemas/Duration"}
    assert [choice["type"] for choice in schemas["Duration"]["anyOf"]] == ["string", "number"]


def test_it_is_valid(document: Document) -> None:
    OpenAPIV31SpecValidator(document).validate()


def test_every_default_and_every_example_fits_its_schema(document: Document) -> None:
    components = document["components"]
    checked = 0
    for part in inside(document):
        given = [part["default"]] if "default" in part and "in" not in part else []
        if isinstance(examples := part.get("examples"), list):
            given += examples
        for value in given:
            Draft202012Validator({**part, "components": components}).validate(value)
            checked += 1
    for name, operation in operations(document).items():
        for media in operation.get("requestBody", {"content": {}})["content"].values():
            assert media["examples"], name
            for example in media["examples"].values():
                schema = {**media["schema"], "components": components}
                Draft202012Validator(schema).validate(example["value"])
                checked += 1
    assert checked > 50


def test_generators_find_one_name_for_one_thing(document: Document) -> None:
    schemas = document["components"]["schemas"]
    assert all(schema["title"] == name for name, schema in schemas.items())
    assert all(name.isalnum() for name in schemas)
    assert {"FireOutcome", "AttemptOutcome", "Duration"} <= set(schemas)
    for part in inside(document):
        # No null in a query, a header or a path; one alternative is none.
        assert "in" not in part or {"type": "null"} not in part["schema"].get("oneOf", ())
        # Alternatives that are told apart by a field; others may overlap.
        assert "oneOf" not in part or "discriminator" in part or "required" in part["oneOf"][0]
        assert not isinstance(part.get("enum"), list) or part["type"] == "string"
        if isinstance(headers := part.get("headers"), dict) and "description" in part:
            assert all("schema" in header for header in headers.values())


def test_a_body_that_may_be_left_out_is_said_to_be(document: Document) -> None:
    bodies = {
        name: operation["requestBody"]["required"]
        for name, operation in operations(document).items()
        if "requestBody" in operation
    }
    assert {name for name, required in bodies.items() if not required} == {
        "POST /jobs/{job_id}/trigger",
        "POST /jobs/{job_id}/pause",
        "POST /jobs/{job_id}/resume",
        "POST /services/{service_id}/keys/{key_id}/rotate",
        "POST /services/{service_id}/signing-secrets/rotate",
        "POST /me/keys/{key_id}/rotate",
    }


def test_every_example_is_taken_as_it_stands(
    api: httpx.Client, document: Document, store: Callable[..., Any]
) -> None:
    service = api.get("/me").json()["service_id"]
    tried = 0
    for name, operation in operations(document).items():
        body = operation.get("requestBody")
        # What only operators of the installation and people may do is tried as far as its form.
        refused = name.split("/")[1] == "me" or name in {"POST /services", OF_AN_INSTALLATION}
        for example in body["content"]["application/json"]["examples"].values() if body else ():
            method, path = name.split()
            job = store(schedule={"cron": "0 0 * * *"})["id"]
            address = path.format(
                job_id=job,
                name="example",
                service_id=service,
                subject="example",
                key_id=_new_key(api, service),
            )
            answer = api.request(method, address, json=example["value"])
            assert answer.status_code == 403 if refused else answer.is_success, answer.text
            tried += 1
    assert tried > 20


def _new_key(api: httpx.Client, service: str) -> str:
    body = {"name": "example", "scopes": ["read"]}
    made: str = api.post(f"/services/{service}/keys", json=body).json()["id"]
    return made


def test_descriptions_are_for_those_who_call_the_api(document: Document) -> None:
    for schema in document["components"]["schemas"].values():
        assert schema["description"]
        assert "Attributes:" not in schema["description"]


def test_the_headers_that_a_client_needs_are_described(document: Document) -> None:
    created = operations(document)["POST /jobs"]["responses"]["201"]
    assert set(created["headers"]) == {"ETag", "Location", "Idempotency-Replayed", "X-Request-Id"}
    read = operations(document)["GET /jobs/{job_id}"]["responses"]["200"]
    assert set(read["headers"]) == {"ETag", "X-Request-Id"}
    for operation in operations(document).values():
        assert all("X-Request-Id" in one["headers"] for one in operation["responses"].values())


def test_the_headers_that_a_client_may_send_are_described(document: Document) -> None:
    taking = {
        header: {
            name
            for name, operation in operations(document).items()
            if header in {one["name"] for one in operation.get("parameters", ())}
        }
        for header in ("Idempotency-Key", "If-Match", "If-None-Match")
    }
    posts = {name for name in OPERATIONS if name.startswith("POST ")}
    # What answers a secret is not kept to be answered again.
    tells_secrets = {name for name in posts if name.startswith(("POST /services", "POST /me/"))}
    assert taking["Idempotency-Key"] == posts - {"POST /schedules/preview"} - tells_secrets
    assert taking["If-Match"] == {
        "PATCH /jobs/{job_id}",
        "DELETE /jobs/{job_id}",
        "POST /jobs/{job_id}/pause",
        "POST /jobs/{job_id}/resume",
    }
    assert taking["If-None-Match"] == {"GET /jobs", "GET /jobs/{job_id}"}


def test_what_the_api_answers_is_described(
    api: httpx.Client, document: Document, store: Callable[..., Any]
) -> None:
    nobody = UUID(int=7 << 76)
    seen = set()
    service = api.get("/me").json()["service_id"]
    key = {"name": "described", "scopes": ["read"]}
    for name, operation in operations(document).items():
        job = store()["id"]
        known_ids = {
            "job_id": job,
            "run_id": api.post(f"/jobs/{job}/trigger").json()["id"],
            "backfill_id": api.post(f"/jobs/{job}/backfills", json=PAST).json()["id"],
            "name": api.put("/calendars/described", json={"exclude": []}).json()["name"],
            "service_id": service,
            "key_id": api.post(f"/services/{service}/keys", json=key).json()["id"],
            "subject": "somebody",
        }
        method, path = name.split()
        known = path.format(**known_ids)
        unknown = path.format(**dict.fromkeys(known_ids, nobody))
        for address, content in (
            (unknown, b"{}"),
            (known, b"{"),
            (known, b"[]"),
            (known, b" " * 300_000),
            (known, b"{}"),
        ):
            answer = api.request(method, address, content=content, headers=JSON)
            responses = operation["responses"]
            assert str(answer.status_code) in responses, (name, answer.text)
            kinds = responses[str(answer.status_code)].get("content", {"": None})
            assert answer.headers.get("content-type", "").partition(";")[0] in kinds
            seen.add(answer.status_code)
    assert seen >= {200, 202, 204, 400, 404, 413, 422}


class Links(HTMLParser):
    """What a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in {"src", "href"}]


def test_the_page_loads_nothing_from_other_hosts(api: httpx.Client) -> None:
    answer = api.get("/docs")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    links = Links()
    links.feed(answer.text)
    assets = [link for link in links.found if not link.startswith("data:")]
    assert len(assets) >= 3
    for asset in assets:
        assert asset.startswith("/docs/")
        loaded = api.get(asset)
        assert loaded.status_code == 200
        assert len(loaded.content) > 100
        assert loaded.headers["content-type"].partition(";")[0] in {
            "text/css",
            "text/javascript",
            "application/javascript",
        }


@pytest.mark.usefixtures("starts_processes")
def test_every_process_has_the_same_text_and_so_the_same_tag() -> None:
    """The order of a set differs from process to process, and Litestar keeps headers in sets."""
    texts = {
        subprocess.run(
            [sys.executable, "-m", "app.openapi"],
            cwd=CHECKOUT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(texts) == 1
