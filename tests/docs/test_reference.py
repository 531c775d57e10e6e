"""The pages that are made from the code are what the code gives, and leave nothing out."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from app.responses.problems import problem
from app.settings import PREFIX, Settings
from domain.quotas.limits import Limits
from loadtests.plans.read_cases import CASES
from tests.docs.reference import PAGES, errors, metrics
from tests.docs.reference.rooms import tracked
from tests.processes import CHECKOUT

REFERENCE = CHECKOUT / "docs" / "reference"


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_what_the_code_gives(name: str) -> None:
    assert (CHECKOUT / "docs" / name).read_text() == PAGES[name](), "make reference"


def test_every_setting_has_a_meaning() -> None:
    written = re.findall(
        rf"^\| `{PREFIX}([A-Z_]+)` \| .+ \| .+ \|$", page_of("settings"), re.MULTILINE
    )
    assert sorted(name.lower() for name in written) == sorted(Settings.__struct_fields__)


def test_notes_are_of_metrics_that_there_are() -> None:
    assert metrics.NOTES.keys() <= metrics.families().keys()


def test_every_problem_that_the_edge_answers_has_a_meaning() -> None:
    known = {problem(status, "", title).type for status, title in errors.MEANINGS}
    answered = set(answered_problems())
    assert len(answered) > 15
    assert answered <= known


def answered_problems() -> Iterator[str]:
    """Types of the problems that the code makes with a status and, perhaps, a title."""
    for path in tracked("app/*.py"):
        for call in ast.walk(ast.parse((CHECKOUT / path).read_text())):
            if isinstance(call, ast.Call) and name_of(call) in ("problem", "BadRequest", "_refuse"):
                status, title = constants(call)
                if isinstance(status, int):
                    yield problem(status, "", title).type


def constants(call: ast.Call) -> tuple[object, str | None]:
    """The status and the title of a call, where they are written there."""
    titles = [one.value for one in call.keywords if one.arg == "title"] + call.args[2:3]
    written = [one.value if isinstance(one, ast.Constant) else None for one in titles]
    status = call.args[0] if call.args else None
    title = written[0] if written else None
    return (
        status.value if isinstance(status, ast.Constant) else None,
        title if isinstance(title, str) else None,
    )


def name_of(call: ast.Call) -> str:
    """Of the function or method that is called."""
    return getattr(call.func, "attr", None) or getattr(call.func, "id", "")


def test_the_limits_of_a_service_are_those_of_the_code() -> None:
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| ([^|]+) \|", page_of("limits"), re.MULTILINE)
    told: dict[str, int | None] = {}
    for names, defaults in rows:
        for name, default in zip(names.split(", "), defaults.split(", "), strict=True):
            number = default.strip().replace(",", "")
            told[name.strip("`")] = int(number) if number.isdigit() else None
    assert told == {name: getattr(Limits(), name) for name in Limits.__struct_fields__}


def test_every_read_has_one_row_of_figures() -> None:
    page = page_of("read-plans")
    assert re.findall(r"^\| `(.+?)` \|", page, re.MULTILINE) == list(CASES)
    assert len(page.splitlines()) <= 120


def page_of(name: str) -> str:
    return (REFERENCE / f"{name}.md").read_text()
