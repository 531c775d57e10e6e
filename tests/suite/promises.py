"""Which tests hold which promise: `@pytest.mark.promise("a name", …)`, collected."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
Promised = Mapping[str, list[str]]
_PROMISED = pytest.StashKey[dict[str, list[str]]]()


@pytest.hookimpl(tryfirst=True)  # before any are deselected
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Collect what the tests say."""
    promised = config.stash[_PROMISED] = {}
    for item in items:
        for marker in item.iter_markers("promise"):
            for name in marker.args:
                promised.setdefault(name, []).append(item.nodeid)


@pytest.fixture
def promised(pytestconfig: pytest.Config) -> Promised:
    """The tests that hold each promise, by its name."""
    if pytestconfig.option.file_or_dir:
        pytest.skip("Which promise no test holds is known only where all tests are collected.")
    return pytestconfig.stash[_PROMISED]
