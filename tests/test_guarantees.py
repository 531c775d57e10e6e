"""Each promise in docs/explain/guarantees.md has a bound, and tests that there are."""

from __future__ import annotations

import re

import pytest

from tests.processes import CHECKOUT

PAGE = (CHECKOUT / "docs" / "explain" / "guarantees.md").read_text()
ROWS = [
    row
    for row in re.findall(r"^\| (.+) \| (.+) \| (.+) \|$", PAGE, re.MULTILINE)
    if row[0] not in ("promise", "---")
]
NAMED = re.compile(r"`(tests/[a-z_/]+\.py)::([a-z0-9_]+)`")


def test_there_are_promises() -> None:
    assert len(ROWS) > 25


@pytest.mark.parametrize(("promise", "bound", "tests"), ROWS, ids=[row[0][:50] for row in ROWS])
def test_a_promise_has_a_bound_and_tests(promise: str, bound: str, tests: str) -> None:
    assert bound.strip(), promise
    named = NAMED.findall(tests)
    assert len(named) == tests.count("`") // 2 >= 1, tests
    for path, name in named:
        text = (CHECKOUT / path).read_text()
        assert re.search(rf"^(?:async )?def {name}\(", text, re.MULTILINE), f"{path}::{name}"
