"""Each promise in docs/explain/guarantees.md is held by tests, and these do something."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.processes import CHECKOUT
from tests.suite.promises import TESTS, Promised

PAGE = (CHECKOUT / "docs" / "explain" / "guarantees.md").read_text()
ROWS = [
    [cell.strip() for cell in row.split(" | ")]
    for row in re.findall(r"^\| (.+) \|$", PAGE, re.MULTILINE)
    if not row.startswith(("name |", "---"))
]


def test_each_promise_has_a_name_of_its_own_and_a_bound() -> None:
    assert len(ROWS) > 100
    assert len({row[0] for row in ROWS}) == len(ROWS)
    assert all(all(row) for row in ROWS)


def test_each_promise_is_held_by_a_test_and_no_other_is_made(promised: Promised) -> None:
    assert {row[0] for row in ROWS} == set(promised)


@pytest.mark.parametrize("path", sorted(TESTS.rglob("test_*.py")), ids=lambda path: path.name)
def test_no_test_is_empty(path: Path) -> None:
    tests = [
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
    ]
    assert [test.name for test in tests if not does_something(test)] == []


def does_something(test: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(
        isinstance(node, ast.Assert | ast.Call) for part in test.body for node in ast.walk(part)
    )
