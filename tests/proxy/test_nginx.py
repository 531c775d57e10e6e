"""Behind nginx the API answers as it does alone, and longer."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.embedded.ports import free_port
from storage.urls import ShardUrls
from tests.processes import System, wait_until
from tests.proxy.nginx import CONFIGURATION, nginx_before, written

TOO_LARGE = b'"' + b"x" * (257 * 1024) + b'"'


@pytest.fixture(scope="module")
def started(
    urls: ShardUrls, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[System, System]]:
    with (
        System(urls, tmp_path_factory.mktemp("first")) as first,
        System(urls, tmp_path_factory.mktemp("second")) as second,
    ):
        first.migrate()
        yield first, second


@pytest.fixture
def apis(started: tuple[System, System]) -> list[System]:
    """Two API processes, whatever the test before killed."""
    for system in started:
        system.complete("api")
    return list(started)


@pytest.fixture
def front(apis: list[System], tmp_path: Path) -> Iterator[httpx.Client]:
    """A client of the nginx before them, as a service."""
    folder = tmp_path / "nginx"
    folder.mkdir()
    servers = [f"127.0.0.1:{api.port}" for api in apis]
    with nginx_before(servers, folder, free_port()) as url, apis[0].client(str(uuid4())) as client:
        client.base_url = httpx.URL(url)
        wait_until(lambda: _answers(client), what=f"nginx answers, see {folder}/nginx.log")
        yield client


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/health/live").status_code == 200
    except httpx.TransportError:
        return False


def _asked(api: System) -> float:
    families = text_string_to_metric_families(httpx.get(f"{api.url}/metrics").text)
    return sum(
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == "tocsin_http_requests_total" and sample.labels["route"] == "/health/live"
    )


@pytest.mark.usefixtures("starts_processes")
def test_nginx_takes_the_configuration_as_it_is(tmp_path: Path) -> None:
    command = written(tmp_path, 8080, [])
    (tmp_path / "upstream.conf").write_text((CONFIGURATION / "upstream.conf").read_text())
    done = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_processes_share_the_requests(apis: list[System], front: httpx.Client) -> None:
    before = [_asked(api) for api in apis]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: front.get("/health/live").status_code, range(100)))
    asked = [_asked(api) - then for api, then in zip(apis, before, strict=True)]
    assert set(answers) == {200}
    assert sum(asked) == 100
    assert min(asked) >= 20, asked


def test_no_read_fails_when_a_process_is_killed(apis: list[System], front: httpx.Client) -> None:
    def read(number: int) -> int:
        if number == 50:
            apis[1].newest("api").kill()
        return front.get("/jobs").status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(read, range(300))) == {200}


def test_with_no_process_left_the_answer_is_a_problem(
    apis: list[System], front: httpx.Client
) -> None:
    for api in apis:
        api.newest("api").kill()
    answer = front.get("/jobs", headers={"x-request-id": "mine"})
    assert answer.status_code == answer.json()["status"] == 503
    assert answer.json()["type"] == "urn:tocsin:problem:service-unavailable"
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.headers["retry-after"], answer.headers["x-request-id"]) == ("1", "mine")


def test_what_the_api_needs_passes_through(apis: list[System], front: httpx.Client) -> None:
    assert front.get("/jobs", headers={"x-request-id": "mine"}).headers["x-request-id"] == "mine"
    made = front.get("/jobs", headers={"x-request-id": "no id!"}).headers["x-request-id"]
    assert len(made) >= 32
    body = {"schedule": {"after": "PT1H"}, "target": {"type": "http", "url": "http://127.0.0.1/"}}
    forged = {"idempotency-key": "once", "x-forwarded-for": "203.0.113.9"}
    first, again = (front.post("/jobs", json=body, headers=forged) for _ in range(2))
    assert (first.status_code, first.headers["etag"][:3]) == (201, '"1-')
    assert (again.content, again.headers["idempotency-replayed"]) == (first.content, "true")
    (entry,) = front.get("/audit", params={"action": "job.created"}).json()["items"]
    assert entry["address"] == "127.0.0.1"


def test_what_is_too_large_is_refused_as_the_api_does(
    apis: list[System], front: httpx.Client
) -> None:
    front.headers["content-type"] = "application/json"
    behind = front.post("/jobs", content=TOO_LARGE)
    alone = httpx.post(f"{apis[0].url}/jobs", content=TOO_LARGE, headers=front.headers)
    assert behind.status_code == alone.status_code == 413
    assert behind.json() == alone.json()
    # The API ends such a connection; nginx has to say the same in its place.
    huge = front.post("/jobs", content=b"x" * (1024 * 1024 + 1))
    assert (huge.status_code, huge.json()) == (413, alone.json())
    assert front.get(f"/jobs?search={'x' * 9_000}").status_code == 414
    assert front.get("/jobs", headers={"x": "x" * 33_000}).status_code == 431


SPELLINGS = [
    "/metrics",
    "//metrics",
    "/metrics/",
    "/metrics//",
    "/%6detrics",
    "/metric%73",
    "/%2fmetrics",
    "/./metrics",
    "/jobs/../metrics",
    "/jobs/%2e%2e/metrics",
    "/metrics/.",
    "/metrics?x=1",
    "/metrics;x",
    "/metrics%20",
    "/metrics%00",
    "/Metrics",
    "/METRICS",
    "http://tocsin.example/metrics",
]


def _get(url: str, address: str) -> tuple[int, bytes]:
    """What is answered at an address that is sent letter by letter."""
    parts = urlsplit(url)
    with closing(HTTPConnection(parts.hostname or "", parts.port, timeout=10)) as connection:
        connection.putrequest("GET", address, skip_host=address.startswith("http:"))
        if address.startswith("http:"):
            connection.putheader("Host", "tocsin.example")
        connection.endheaders()
        with connection.getresponse() as answer:
            return answer.status, answer.read()


def test_metrics_are_not_for_the_world(apis: list[System], front: httpx.Client) -> None:
    for spelling in SPELLINGS:
        status, body = _get(str(front.base_url), spelling)
        assert status >= 400, (spelling, body)
        assert b"tocsin_" not in body
    # Alone the API has them under one spelling, which any proxy can hide.
    told = {spelling for spelling in SPELLINGS if b"tocsin_" in _get(apis[0].url, spelling)[1]}
    assert told == {"/metrics", "/metrics?x=1", "http://tocsin.example/metrics"}


def test_on_their_own_port_metrics_are_nowhere_else(urls: ShardUrls, tmp_path: Path) -> None:
    port = free_port()
    with System(urls, tmp_path) as api:
        api.environment["TOCSIN_METRICS_PORT"] = str(port)
        api.migrate()
        api.start("api")
        own = f"http://127.0.0.1:{port}"
        assert b"tocsin_http_requests_total" in httpx.get(f"{own}/metrics").content
        for spelling in SPELLINGS:
            assert _get(api.url, spelling)[0] in {400, 404}, spelling
        assert httpx.get(f"{api.url}/metrics", headers={"host": f"127.0.0.1:{port}"}).is_error
