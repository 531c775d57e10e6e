"""Clients that many tests share: a service costs a process to make."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.processes import System

FAR = {"after": "P30D"}


@pytest.fixture(scope="session")
def api(system: System) -> Iterator[httpx.Client]:
    """Calls as one service, for tests that do not mind its other jobs."""
    with system.client("api-tests") as calling:
        yield calling


@pytest.fixture(scope="session")
def stranger(system: System) -> Iterator[httpx.Client]:
    """Calls as another service, which owns nothing."""
    with system.client("stranger") as calling:
        yield calling


@pytest.fixture
def store(api: httpx.Client, job_body: Callable[..., dict[str, Any]]) -> Callable[..., Any]:
    """Stores a job that is not due for long; keywords replace fields."""

    def make(**changes: Any) -> Any:
        answer = api.post("/jobs", json=job_body(**{"schedule": FAR, **changes}))
        assert answer.status_code == 201, answer.text
        return answer.json()

    return make
