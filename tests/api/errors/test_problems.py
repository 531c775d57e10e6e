"""What is no request of ours is answered with a problem document, never with a 500."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.api.conftest import JSON
from tests.api.problems import problem, wrong_values
from tests.processes import System

Store = Callable[..., Any]
NOWHERE = "/jobs/0192f3a1-0000-7000-8000-000000000000"
LIMIT = 256 * 1024
DEEP = 100_000


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/nope",
        "/jobs/not-a-uuid",
        "/jobs/%00",
        "/jobs/%ff",
        "/jobs/0192f3a1-0000-7000-8000-000000000000/nope",
        "/runs/1",
        "/docs/nope",
        "/docs/assets/nope.js",
        "/docs/assets/%2e%2e/__init__.py",
        "/health",
    ],
)
def test_an_unknown_address_is_404(api: httpx.Client, path: str) -> None:
    problem(api.get(api.base_url.copy_with(raw_path=path.encode())), 404)


@pytest.mark.parametrize(
    "path",
    [
        "/runs/00000000-0000-0000-0000-000000000000",
        "/runs/ffffffff-ffff-ffff-ffff-ffffffffffff",
        "/runs/0192f3a1-0000-4000-8000-000000000000",
        "/jobs/ffffffff-ffff-ffff-ffff-ffffffffffff",
        "/jobs/00000000-0000-0000-0000-000000000000/runs",
    ],
)
def test_an_id_that_was_never_given_out_is_404(api: httpx.Client, path: str) -> None:
    problem(api.get(path), 404)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/jobs", {"GET", "HEAD", "POST", "OPTIONS"}),
        ("DELETE", "/jobs", {"GET", "HEAD", "POST", "OPTIONS"}),
        ("TRACE", "/jobs", {"GET", "HEAD", "POST", "OPTIONS"}),
        ("PUT", NOWHERE, {"GET", "HEAD", "PATCH", "DELETE", "OPTIONS"}),
        ("GET", f"{NOWHERE}/pause", {"POST", "OPTIONS"}),
        ("DELETE", "/runs/0192f3a1-0000-7000-8000-000000000000", {"GET", "HEAD", "OPTIONS"}),
        ("POST", "/health/live", {"GET", "HEAD", "OPTIONS"}),
        ("POST", "/metrics", {"GET", "HEAD", "OPTIONS"}),
        ("POST", "/openapi.json", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_a_wrong_method_is_405_and_told_the_right_ones(
    api: httpx.Client, method: str, path: str, allowed: set[str]
) -> None:
    answer = api.request(method, path)
    problem(answer, 405)
    assert set(answer.headers["allow"].split(", ")) == allowed


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        b"",
        b"Bearer",
        b"Bearer x",
        b"Bearer tocsin_",
        b"Bearer \xff\xfe",
        b"Basic dXNlcjpwYXNz",
        b"Bearer tocsin_00000000000000000000000000000000_" + b"A" * 43,
        b"Bearer " + b"a" * 10_000,
    ],
)
@pytest.mark.parametrize(("method", "path"), [("GET", "/jobs"), ("POST", "/jobs")])
def test_a_caller_without_a_known_key_is_401(
    system: System, method: str, path: str, authorization: bytes | None
) -> None:
    headers = {} if authorization is None else {"authorization": authorization}
    answer = httpx.request(method, system.url + path, headers=headers)
    problem(answer, 401)
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "change", [str.upper, str.swapcase, " {}".format, "{}x".format, lambda key: key[:-1]]
)
def test_a_key_must_be_right_to_the_letter(
    system: System, api: httpx.Client, change: Callable[[str], str]
) -> None:
    key = api.headers["authorization"].removeprefix("Bearer ")
    right = httpx.get(f"{system.url}/jobs", headers={"authorization": f"bearer {key}"})
    assert right.status_code == 200
    wrong = httpx.get(f"{system.url}/jobs", headers={"authorization": f"Bearer {change(key)}"})
    problem(wrong, 401)


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/metrics", "/openapi.json"])
def test_operators_need_no_key(system: System, path: str) -> None:
    assert httpx.get(system.url + path).status_code == 200


BODY = b'{"schedule": {"after": 3600}, "target": {"type": "http", "url": "http://h/", "body": %s}}'
NAME = BODY.replace(b"{", b'{"name": %s, ', 1) % (b"%s", b"1")
NOT_JSON = {
    "one bracket": b"{",
    "no end": b'{"schedule": {"after": 1}',
    "two values": BODY % b"1" + b" 2",
    "single quotes": b"{'name': 'x'}",
    "comment": BODY % b"1" + b" // x",
    "NaN": b'{"schedule": {"after": NaN}}',
    "Infinity": b'{"schedule": {"after": Infinity}}',
    "-Infinity": b'{"schedule": {"every": -Infinity}}',
    "hexadecimal": b'{"schedule": {"after": 0x10}}',
    "byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": "{}".encode("utf-16"),
    "bad UTF-8 in a name": NAME % b'"\xff"',
    "bad UTF-8 in a field's name": b'{"\xff": 1}',
    "bad UTF-8 in a body": BODY % b'{"a": ["\xff"]}',
    "a surrogate in UTF-8": NAME % b'"\xed\xa0\x80"',
    "a surrogate in UTF-8 in a body": BODY % b'"\xed\xa0\x80"',
    "half a surrogate pair": NAME % rb'"\ud800"',
    "the other half": NAME % rb'"\udc00 and more"',
    "half a pair in a body": BODY % rb'{"a": "\ud800 and more text"}',
    "a bare NUL": NAME % b'"\x00"',
    "a bare NUL in a body": BODY % b'"\x00"',
    "a bare line feed": NAME % b'"\n"',
    "a bad escape": NAME % rb'"\x41"',
    "NaN in a body": BODY % b"[NaN]",
    "a deep body": BODY % (b"[" * DEEP + b"]" * DEEP),
    "a deep body of objects": BODY % (b'{"a":' * 20_000 + b"1" + b"}" * 20_000),
    "a deep body without end": BODY % (b"[" * DEEP),
}


@pytest.mark.parametrize("content", NOT_JSON.values(), ids=NOT_JSON)
def test_what_is_no_json_is_400(api: httpx.Client, content: bytes) -> None:
    problem(api.post("/jobs", content=content, headers=JSON), 400)
    problem(api.patch(NOWHERE, content=content, headers=JSON), 400)


NO_JOB = {
    "nothing": (b"", ""),
    "null": (b"null", ""),
    "a text": (b'"x"', ""),
    "a list": (b"[]", ""),
    "a number": (b"1", ""),
    "a number without end": (b"1" * 5_000, ""),
    "brackets": (b"[" * DEEP, ""),
    "brackets in pairs": (b"[" * DEEP + b"]" * DEEP, ""),
    "brackets in a field": (b'{"schedule": ' + b"[" * DEEP + b"]" * DEEP + b"}", "/schedule"),
    "brackets in a list": (b'{"tags": [' + b"[" * DEEP + b"]" * DEEP + b"]}", "/tags/0"),
}


@pytest.mark.parametrize(("content", "pointer"), NO_JOB.values(), ids=NO_JOB)
def test_json_that_is_no_job_is_422(api: httpx.Client, content: bytes, pointer: str) -> None:
    assert wrong_values(api.post("/jobs", content=content, headers=JSON)) == [pointer]
    assert wrong_values(api.patch(NOWHERE, content=content, headers=JSON)) == [pointer]


def test_of_duplicate_keys_the_last_one_counts(api: httpx.Client) -> None:
    content = NAME.replace(b"{", b'{"name": "first", ', 1) % b'"last"'
    answer = api.post("/jobs", content=content, headers=JSON)
    assert (answer.status_code, answer.json()["name"]) == (201, "last")


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "text/plain",
        "text/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "no type at all",
    ],
)
def test_a_body_that_is_not_sent_as_json_is_415(api: httpx.Client, kind: str) -> None:
    for content in (b"name=x", b"{}"):
        problem(api.post("/jobs", content=content, headers={"content-type": kind}), 415)
        problem(api.patch(NOWHERE, content=content, headers={"content-type": kind}), 415)


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON"])
def test_json_may_be_spelt_in_several_ways(api: httpx.Client, kind: str) -> None:
    answer = api.post("/jobs", content=BODY % b"1", headers={"content-type": kind})
    assert answer.status_code == 201


def _chunks(size: int) -> Iterator[bytes]:
    while size > 0:
        yield b" " * min(size, 40_000)
        size -= 40_000


def test_a_body_of_256_kib_is_taken_and_one_byte_more_is_413(api: httpx.Client) -> None:
    fitting = BODY % json.dumps("x" * (LIMIT - len(BODY) - 100)).encode()
    padding = b" " * (LIMIT - len(fitting))
    assert api.post("/jobs", content=fitting + padding, headers=JSON).status_code == 201
    problem(api.post("/jobs", content=fitting + padding + b" ", headers=JSON), 413)
    problem(api.post("/jobs", content=_chunks(LIMIT + 1), headers=JSON), 413)
    problem(api.patch(NOWHERE, content=_chunks(LIMIT + 1), headers=JSON), 413)


def test_the_api_serves_on_after_all_that(api: httpx.Client, store: Store) -> None:
    job = store(name=str(uuid4()))
    assert api.get(f"/jobs/{job['id']}").json() == job
