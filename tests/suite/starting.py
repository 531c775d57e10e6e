"""Tests that start processes are marked so; the others cannot, so that `make test-fast` is fast."""

from __future__ import annotations

import subprocess
from collections.abc import Generator
from unittest.mock import patch

import pytest

FIXTURE = "starts_processes"
MARKER = "processes"


@pytest.fixture(scope="session")
def starts_processes() -> None:
    """Whatever starts a server or another process requests this: fixtures, and tests that do."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark who requests the fixture, through whichever other one."""
    for item in items:
        if _may_start(item):
            item.add_marker(MARKER)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    """Keep fixtures from starting what they do not say."""
    with _guard(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Keep the test itself from it."""
    with _guard(item):
        return (yield)


def _guard(item: pytest.Item) -> object:
    inside = subprocess.Popen.__init__ if _may_start(item) else _refuse
    return patch.object(subprocess.Popen, "__init__", inside)


def _may_start(item: pytest.Item) -> bool:
    return FIXTURE in getattr(item, "fixturenames", ())


def _refuse(*_: object, **__: object) -> None:
    pytest.fail(f"A test, or its fixture, that starts a process requests {FIXTURE!r}.")
