"""Over HTTP/2 nginx answers what it answers over HTTP/1.1, large bodies included."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import pytest

from app.embedded.ports import free_port
from storage.urls import ShardUrls
from tests.processes import CHECKOUT, System, wait_until
from tests.proxy.nginx import CONFIGURATION, nginx_before

NEARLY_ALL = 250 * 1024
TOO_LARGE = 300 * 1024


@pytest.fixture(scope="module")
def clients(
    urls: ShardUrls, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    """The same service over HTTP/2 and over HTTP/1.1, through an nginx before one process."""
    folder = tmp_path_factory.mktemp("http2")
    with System(urls, folder) as api:
        api.migrate()
        api.start("api")
        with (
            nginx_before([f"127.0.0.1:{api.port}"], folder, free_port()) as url,
            api.client(str(uuid4())) as older,
            # Nobody negotiates without TLS: it begins with HTTP/2.
            httpx.Client(
                http1=False, http2=True, base_url=url, headers=older.headers, timeout=15
            ) as newer,
        ):
            older.base_url = httpx.URL(url)
            wait_until(lambda: answers(older), what=f"nginx answers, see {folder}/nginx.log")
            yield newer, older


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/health/live").status_code == 200
    except httpx.TransportError:
        return False


def job(size: int) -> dict[str, Any]:
    """A body for POST /jobs of about so many bytes, of which none is like another."""
    text = "".join(f"{number:07d}" for number in range(size // 7))
    target = {"type": "http", "url": "http://127.0.0.1/", "body": {"text": text}}
    return {"schedule": {"after": "P1D"}, "target": target}


def test_the_ingress_takes_what_nginx_takes() -> None:
    ingress = (CHECKOUT / "k8s" / "overlays" / "production" / "ingress.yaml").read_text()
    (taken,) = re.findall(
        r"client_max_body_size (\w+);", (CONFIGURATION / "nginx.conf").read_text()
    )
    assert f"nginx.ingress.kubernetes.io/proxy-body-size: {taken}\n" in ingress


def test_large_bodies_go_both_ways_whole(clients: tuple[httpx.Client, httpx.Client]) -> None:
    newer, older = clients
    body = job(NEARLY_ALL)
    # One after the other: of two threads that send at once, httpcore may leave one waiting for
    # a window that the other has been told of.
    made = [newer.post("/jobs", json=body) for _ in range(4)]
    assert {(one.http_version, one.status_code) for one in made} == {("HTTP/2", 201)}
    assert all(one.json()["target"]["body"] == body["target"]["body"] for one in made)
    with ThreadPoolExecutor(4) as pool:  # on one connection, whose window they share
        lists = list(pool.map(lambda _: newer.get("/jobs"), range(4)))
    assert {(one.http_version, one.status_code) for one in lists} == {("HTTP/2", 200)}
    expected = older.get("/jobs")
    assert len(expected.content) > 4 * NEARLY_ALL - 4_096
    assert all(one.json() == expected.json() for one in lists)


def test_what_is_too_large_is_refused_and_the_connection_goes_on(
    clients: tuple[httpx.Client, httpx.Client],
) -> None:
    newer, _ = clients
    content = json.dumps(job(TOO_LARGE)).encode()
    assert len(content) > TOO_LARGE
    headers = {"content-type": "application/json"}
    refused, same = (one.post("/jobs", content=content, headers=headers) for one in clients)
    assert (refused.http_version, same.http_version) == ("HTTP/2", "HTTP/1.1")
    assert refused.status_code == same.status_code == 413
    assert refused.json() == same.json()
    assert refused.headers["content-type"] == "application/problem+json"
    assert newer.get("/jobs").status_code == 200


def test_a_host_and_a_client_are_told_as_before(clients: tuple[httpx.Client, httpx.Client]) -> None:
    newer, _ = clients
    made = newer.post("/jobs", json=job(0), headers={"x-request-id": "mine"})
    assert made.headers["x-request-id"] == "mine"
    assert made.headers["etag"].startswith('"1-')
    (entry,) = newer.get("/audit", params={"action": "job.created", "limit": 1}).json()["items"]
    assert (entry["address"], entry["request_id"]) == ("127.0.0.1", "mine")
    location = made.headers["location"]
    assert newer.delete(location).status_code == 204
    assert newer.get(location).status_code == 404
