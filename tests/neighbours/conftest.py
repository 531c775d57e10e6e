"""One who does all that it may, a neighbour, and the processes that serve both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from uuid import uuid4

import httpx
import pytest

from storage.urls import ShardUrls
from tests.processes import System


@pytest.fixture(scope="module")
def system(urls: ShardUrls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with System(urls, tmp_path_factory.mktemp("neighbours")) as running:
        running.migrate()
        running.start("api", "dispatcher", "worker")
        yield running


@pytest.fixture
def clients(system: System) -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def flood(system: System, clients: ExitStack) -> httpx.Client:
    """Calls as the service that does all that it may, with as many connections as it likes."""
    made = clients.enter_context(system.client(f"test-{uuid4()}"))
    limits = httpx.Limits(max_connections=None)
    return clients.enter_context(
        httpx.Client(base_url=made.base_url, headers=made.headers, timeout=40, limits=limits)
    )


@pytest.fixture
def neighbour(system: System, clients: ExitStack) -> httpx.Client:
    return clients.enter_context(system.client(f"test-{uuid4()}"))
