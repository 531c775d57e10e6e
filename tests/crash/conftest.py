"""Servers and processes of a crash test's own: they are killed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from storage.embedded.servers import EmbeddedServers
from storage.urls import ShardUrls
from tests.processes import System


@pytest.fixture(scope="module")
def mortal_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServers]:
    """A primary, a replica and a Valkey as shipped: durable."""
    embedded = EmbeddedServers(tmp_path_factory.mktemp("mortal"))
    embedded.start()
    yield embedded
    embedded.stop()


@pytest.fixture(scope="module")
def mortal_system(
    mortal_servers: EmbeddedServers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[System]:
    """Tocsin on those servers."""
    found = mortal_servers.urls
    urls = ShardUrls(primary=found.primary, replicas=found.replicas, redis=found.redis)
    with System(urls, tmp_path_factory.mktemp("crowd")) as system:
        system.migrate()
        yield system


@pytest.fixture
def crowd(mortal_system: System) -> System:
    """An API, a clock, two dispatchers and two workers, whatever the test before killed."""
    mortal_system.complete("api", "dispatcher", "dispatcher", "worker", "worker", "clock")
    return mortal_system
