"""Processes of which there are two of each kind that may be many."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest

from storage.urls import ShardUrls
from tests.processes import System


@pytest.fixture(scope="module")
def pairs(urls: ShardUrls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """An API, two dispatchers and two workers."""
    with System(urls, tmp_path_factory.mktemp("pairs")) as running:
        running.migrate()
        running.start("api", "dispatcher", "dispatcher", "worker", "worker")
        yield running


@pytest.fixture(scope="module")
def caller_of_pairs(pairs: System) -> Iterator[httpx.Client]:
    """Calls their API as a service of the module's own."""
    with pairs.client(f"test-{uuid4()}") as calling:
        yield calling
