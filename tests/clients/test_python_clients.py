"""A client that a generator made of `/openapi.json` does what a client does."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from loadtests.sink.process import SinkProcess
from tests.clients.python_clients import describe, openapi_python_client
from tests.processes import System

pytestmark = pytest.mark.usefixtures("starts_processes")


def test_openapi_python_client(
    system: System, client: httpx.Client, sink: SinkProcess, tmp_path: Path
) -> None:
    openapi_python_client(describe(system, tmp_path), tmp_path, client, f"{sink.url}/generated")
