"""Servers and processes of a crash test's own: they are killed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.embedded.servers import EmbeddedServers
from loadtests.sink.process import SinkProcess
from tests.crash.story import Stories
from tests.processes import System
from tests.servers import started_servers, urls_of


@pytest.fixture(scope="module")
def mortal_servers(
    seed: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EmbeddedServers]:
    """A primary, a replica and a Valkey as shipped: durable."""
    with started_servers(tmp_path_factory.mktemp("mortal"), durable=True, seed=seed) as embedded:
        yield embedded


@pytest.fixture(scope="module")
def mortal_system(
    mortal_servers: EmbeddedServers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[System]:
    """Tocsin on those servers."""
    with System(urls_of(mortal_servers), tmp_path_factory.mktemp("crowd")) as system:
        system.migrate()
        yield system


@pytest.fixture(scope="module")
def stories(mortal_system: System, sink: SinkProcess) -> Stories:
    """What clients go through with those processes."""
    return Stories(mortal_system, sink)


@pytest.fixture
def crowd(mortal_system: System) -> System:
    """An API, a clock, two dispatchers and two workers, whatever the test before killed."""
    mortal_system.complete("api", "dispatcher", "dispatcher", "worker", "worker", "clock")
    return mortal_system
