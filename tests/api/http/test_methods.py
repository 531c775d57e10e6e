"""HEAD wherever GET is; what an address takes; and what is wrong with one that leads nowhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from prometheus_client import make_wsgi_app

from app.observability.process_health import with_health
from tests.api.problems import problem
from tests.processes import System

Store = Callable[..., Any]
OF_EACH_ANSWER = {"date", "x-request-id", "ratelimit", "content-length"}


def addresses(api: httpx.Client, store: Store) -> dict[str, str]:
    """Each path of the document, with ids of what is there."""
    job = store()["id"]
    service = api.get("/me").json()["service_id"]
    api.put("/calendars/methods", json={"exclude": []})
    past = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"}
    ids = {
        "job_id": job,
        "run_id": api.post(f"/jobs/{job}/trigger").json()["id"],
        "backfill_id": api.post(f"/jobs/{job}/backfills", json=past).json()["id"],
        "name": "methods",
        "service_id": service,
        "key_id": service,
        "subject": "somebody",
    }
    return {path: path.format(**ids) for path in api.get("/openapi.json").json()["paths"]}


def test_head_is_answered_as_get_without_a_body_and_every_method_is_told(
    api: httpx.Client, store: Store
) -> None:
    paths = api.get("/openapi.json").json()["paths"]
    found = addresses(api, store) | {"/openapi.json": "/openapi.json", "/docs": "/docs"}
    for path, address in found.items():
        methods = {method.upper() for method in paths.get(path, ["get"])}
        allowed = methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())
        options = api.options(address)
        assert options.status_code == 204, path
        assert set(options.headers["allow"].split(", ")) >= allowed, path
        refused = problem_of(api.request("TRACE", address))
        assert set(refused.headers["allow"].split(", ")) == allowed, path
        head = api.head(address)
        if "GET" not in methods:
            assert head.status_code == 405, path
            continue
        for _ in range(2):
            get = api.get(address)
            head = api.head(address)
            assert (head.status_code, head.content) == (get.status_code, b""), path
            told = [set(answer.headers) - OF_EACH_ANSWER for answer in (head, get)]
            assert told[0] == told[1], path
            assert head.headers.get("content-type") == get.headers.get("content-type"), path
            if path not in {"/metrics", "/targets", "/stats", "/audit"}:  # which may have changed
                assert "content-length" in head.headers, path


def problem_of(answer: httpx.Response) -> httpx.Response:
    problem(answer, 405)
    return answer


def test_head_tells_whether_a_client_has_it_and_of_what_is_not_there(
    api: httpx.Client, store: Store
) -> None:
    path = f"/jobs/{store()['id']}"
    tag = api.head(path).headers["etag"]
    assert tag == api.get(path).headers["etag"]
    assert api.head(path, headers={"If-None-Match": tag}).status_code == 304
    assert api.head("/jobs/0192f3a1-0000-7000-8000-000000000000").status_code == 404
    assert api.head("/nope").status_code == 404
    assert httpx.head(str(api.base_url) + "/jobs").status_code == 401
    # The connection is good for more.
    assert api.get(path).headers["etag"] == tag


def test_head_is_counted_as_such(system: System, api: httpx.Client) -> None:
    api.head("/jobs?limit=3")
    counted = 'tocsin_http_requests_total{method="HEAD",route="/jobs",status="200"}'
    assert counted in httpx.get(f"{system.url}/metrics").text


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/jobs/nightly", "'nightly' is no id of a job"),
        ("/jobs/nightly/runs", "'nightly' is no id of a job"),
        ("/runs/1", "'1' is no id of a run"),
        ("/backfills/x", "'x' is no id of a backfill"),
        ("/services/billing", "'billing' is no id of a service"),
        ("/services/billing/secrets", "header Tocsin-Service; GET /me tells the id"),
        ("/services/0192f3a1-0000-7000-8000-000000000000/keys/old/nope", "no such address"),
        ("/nope", "no such address"),
        ("/jobs/nightly/nope", "no such address"),
    ],
)
def test_an_address_with_no_id_is_told_so(api: httpx.Client, path: str, said: str) -> None:
    assert said in problem(api.get(path), 404)["detail"]


@pytest.mark.parametrize("path", ["/live", "/ready", "/metrics"])
def test_processes_that_are_no_api_answer_head_too(path: str) -> None:
    class Well:
        def stale(self) -> dict[str, str]:
            return {}

        servers = stale

    app = with_health(make_wsgi_app(), Well())
    answers = []
    for method in ("GET", "HEAD"):
        told: list[Any] = []
        environ = {"REQUEST_METHOD": method, "PATH_INFO": path}
        body = b"".join(app(environ, lambda *answer, told=told: told.extend(answer)))
        answers.append((told[0], dict(told[1]), body))
    (status, headers, body), head = answers
    assert head == (status, {**headers, "Content-Length": str(len(body))}, b"")
    assert (status, bool(body)) == ("200 OK", True)


def test_metrics_say_their_charset_once(system: System) -> None:
    kind = httpx.get(f"{system.url}/metrics").headers["content-type"]
    assert kind.startswith("text/plain; version=")
    assert kind.count("charset") == 1
