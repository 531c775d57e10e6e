"""Statements with named parameters (storage/sql)."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

import storage.sql
from storage.postgres.pools import Database
from storage.sql import statement
from tests.processes import CHECKOUT

FOLDER = Path(storage.sql.__file__).parent
INCLUDED = {
    (path.parent / name).resolve()
    for path in FOLDER.rglob("*.sql")
    for name in re.findall(r"^ *\\ir (\S+)$", path.read_text(), re.MULTILINE)
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of statements of the test's own."""
    monkeypatch.setattr(storage.sql, "_FOLDER", tmp_path)
    return tmp_path


def test_parameters_are_numbered_where_they_first_appear(folder: Path):
    (folder / "one.sql").write_text(
        "SELECT :b::int, :a, '12:a', x[1:2] -- :c\nWHERE :b > 'it''s:d'\n"
    )
    made = statement("one")
    assert made.text == "SELECT $1::int, $2, '12:a', x[1:2] -- :c\nWHERE $1 > 'it''s:d'"
    assert made.parameters == ("b", "a")
    assert made.arguments({"a": 1, "b": 2}) == (2, 1)


def test_what_a_file_includes_stands_in_its_place(folder: Path):
    (folder / "sub").mkdir()
    (folder / "one.sql").write_text("WHERE\n    \\ir sub/part.sql\nLIMIT :most\n")
    (folder / "sub" / "part.sql").write_text("a = :a\nAND b = :most\n")
    assert statement("one").text == "WHERE\n    a = $1\n    AND b = $2\nLIMIT $2"


def test_constants_are_written_out(folder: Path):
    (folder / "one.sql").write_text("SELECT :text, :number, now() - :span, :a")
    made = statement("one", text="it's", number=1.5, span=timedelta(seconds=6))
    assert made.text == "SELECT 'it''s', 1.5, now() - interval '6.0 s', $1"
    assert made.arguments({"a": None}) == (None,)
    with pytest.raises(ValueError, match="does not use other"):
        statement("one", other=1)


@pytest.mark.parametrize("values", [{}, {"a": 1}, {"a": 1, "c": 2}, {"a": 1, "b": 2, "c": 3}])
def test_a_value_that_is_missing_or_too_many_is_refused(folder: Path, values: dict[str, object]):
    (folder / "one.sql").write_text("SELECT :a, :b")
    with pytest.raises(TypeError, match=r"one\.sql: missing, or not a parameter: "):
        statement("one").arguments(values)


async def test_a_statement_is_asked_by_names(folder: Path, database: Database):
    (folder / "one.sql").write_text("SELECT :word::text AS word, :number::int AS number")
    asked = statement("one")
    async with database.driver() as driver:
        (row,) = await asked.fetch(driver, number=7, word="seven")
        assert (row["word"], row["number"]) == ("seven", 7)
        assert await asked.fetchrow(driver, number=7, word="seven") == row
        assert await asked.fetchval(driver, number=7, word="seven") == "seven"
        assert await asked.execute(driver, number=7, word="seven") == "SELECT 1"


def test_each_file_is_asked_or_included():
    """By code that names it, in one place."""
    code = "\n".join(
        path.read_text()
        for folder in ("commands", "queries", "storage", "workers")
        for path in (CHECKOUT / folder).rglob("*.py")
    )
    templates = [
        re.compile(re.sub(r"\\\{.*?\\\}", "[a-z_]+", re.escape(name)))
        for name in re.findall(r'statement\(f?"([^"]+)"', code)
    ]
    unused = [
        name
        for path in FOLDER.rglob("*.sql")
        if path not in INCLUDED
        and not any(
            template.fullmatch(name := path.relative_to(FOLDER).with_suffix("").as_posix())
            for template in templates
        )
    ]
    assert unused == []
