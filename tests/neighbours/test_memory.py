"""Large jobs, listed at once by clients that read slowly, keep an API process within its pod."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest

from storage.urls import ShardUrls
from tests.neighbours.neighbour import keeps_to_its_memory
from tests.processes import System

JOBS = 40
BODY = "x" * 255_000
READERS = 60
"""Each asks for a page of its own of 4 MB, and leaves it unread."""
AT_ONCE = 20
FAR = {"after": "P30D"}


@pytest.fixture
def api(urls: ShardUrls, tmp_path: Path) -> Iterator[System]:
    """A process of its own: the memory that it once had counts."""
    with System(urls, tmp_path) as running:
        running.migrate()
        running.start("api")
        yield running


def unread(client: httpx.Client, target: str) -> socket.socket:
    """A connection that has asked, and does not read."""
    address = urlsplit(str(client.base_url))
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    connection.connect((address.hostname, address.port))
    head = f"GET {target} HTTP/1.1\r\nhost: h\r\nauthorization: {client.headers['authorization']}"
    connection.sendall(f"{head}\r\n\r\n".encode())
    return connection


def test_lists_of_large_jobs_keep_a_process_within_its_memory(api: System) -> None:
    with ExitStack() as stack:
        flood = stack.enter_context(api.client(f"test-{uuid4()}"))
        neighbour = stack.enter_context(api.client(f"test-{uuid4()}"))
        body: dict[str, Any] = {
            "name": "large",
            "schedule": FAR,
            "target": {"type": "http", "url": "http://127.0.0.1:9/", "body": BODY},
        }
        for _ in range(JOBS):
            assert flood.post("/jobs", json=body).status_code == 201
        for number in range(READERS):
            stack.enter_context(unread(flood, f"/jobs?limit={200 - number}"))

        def ask(number: int) -> int:
            asked = {"limit": 200, "fields": "id,target", "tag": f"t{number}"} if number % 3 else {}
            return flood.get("/jobs", params={"limit": 20 + number, **asked}).status_code

        with ThreadPoolExecutor(AT_ONCE) as pool:
            told = set(pool.map(ask, range(3 * AT_ONCE)))
        assert told <= {200, 429}
        assert neighbour.post("/jobs", json=body).status_code == 201
        page = neighbour.get("/jobs")
        assert page.status_code == 200
        assert len(page.json()["items"]) == 1
        keeps_to_its_memory(api.newest("api"))
