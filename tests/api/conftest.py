"""Clients that many tests share: a service costs a process to make."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from storage.urls import ShardUrls
from tests.api.problems import wrong_values
from tests.processes import System

JSON = {"content-type": "application/json"}
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


@pytest.fixture(scope="session")
def other_system(
    system: System, urls: ShardUrls, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[System]:
    """A second API process on the same servers."""
    with System(urls, tmp_path_factory.mktemp("other")) as running:
        running.start("api")
        yield running


@pytest.fixture
def other(other_system: System, api: httpx.Client) -> Iterator[httpx.Client]:
    """Calls the second process, as the same service."""
    with httpx.Client(base_url=other_system.url, headers=api.headers, timeout=15.0) as calling:
        yield calling


@pytest.fixture
def store(api: httpx.Client, job_body: Callable[..., dict[str, Any]]) -> Callable[..., Any]:
    """Stores a job that is not due for long; keywords replace fields."""

    def make(**changes: Any) -> Any:
        answer = api.post("/jobs", json=job_body(**{"schedule": FAR, **changes}))
        assert answer.status_code == 201, answer.text
        return answer.json()

    return make


@pytest.fixture(scope="session")
def unchanged(api: httpx.Client) -> dict[str, Any]:
    """A job that no test changes, for those who try to in vain."""
    target = {"type": "http", "url": "http://h/"}
    answer = api.post("/jobs", json={"name": "hello", "schedule": FAR, "target": target})
    assert answer.status_code == 201, answer.text
    stored: dict[str, Any] = answer.json()
    return stored


@pytest.fixture
def pointers_to(api: httpx.Client, unchanged: dict[str, Any]) -> Callable[[str, str], str]:
    """Sends a job with a wrong value, as a new one and as a change, and returns where both point.

    The value is given in JSON, so that it can be what Python does not write.
    """
    good = {"schedule": '{"after": "P30D"}', "target": '{"type": "http", "url": "http://h/"}'}

    def send(field: str, value: str) -> str:
        body = ", ".join(f'"{name}": {text}' for name, text in {**good, field: value}.items())
        created = api.post("/jobs", content=f"{{{body}}}", headers=JSON)
        path = f"/jobs/{unchanged['id']}"
        if "null" in value:  # which removes, in a patch
            (pointer,) = wrong_values(created)
            return pointer
        changed = api.patch(
            path, content=f'{{"{field}": {_replacing(field, value)}}}', headers=JSON
        )
        assert api.get(path).json() == unchanged
        (pointer,) = wrong_values(created)
        assert wrong_values(changed) == [pointer]
        return pointer

    return send


def _replacing(field: str, value: str) -> str:
    """A value that takes the place of a stored one as a whole: what it does not name is null."""
    stored = {"schedule": ["after"], "target": ["type", "url", "method", "headers", "timeout"]}
    if field not in stored or not value.startswith("{"):
        return value
    nulls = ", ".join(f'"{name}": null' for name in stored[field])
    rest = value[1:].lstrip()
    return f"{{{nulls}{'' if rest.startswith('}') else ', '}{rest}"
