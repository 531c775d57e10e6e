"""Servers of each file's own: what fails over is no other test's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.embedded.servers import EmbeddedServers
from storage.urls import ShardUrls
from tests.servers import started_servers, urls_of


@pytest.fixture(scope="module")
def servers(
    starts_processes: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EmbeddedServers]:
    """A primary, a replica and a Valkey as shipped: durable."""
    with started_servers(tmp_path_factory.mktemp("servers"), durable=True) as embedded:
        yield embedded


@pytest.fixture(scope="module")
def urls(servers: EmbeddedServers) -> ShardUrls:
    """Where those servers are."""
    return urls_of(servers)
