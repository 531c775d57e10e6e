"""Each field of a filter is asked for by one parameter, and has its clause."""

from __future__ import annotations

import pytest

from domain.filters.filters import Filter
from domain.filters.job_filter import JobFilter
from domain.filters.run_filter import RunFilter
from queries.jobs import parts as job_parts
from queries.runs import parts as run_parts

CLAUSES: list[tuple[type[Filter], set[str]]] = [
    (JobFilter, {*job_parts.BY_TERM, *job_parts.BY_ROW}),
    (RunFilter, {*run_parts.ALWAYS, *run_parts.SELDOM, *run_parts.WINDOW}),
]


@pytest.mark.parametrize(("kind", "clauses"), CLAUSES)
def test_each_field_of_a_filter_narrows_its_list(kind: type[Filter], clauses: set[str]) -> None:
    assert {field.name for field in kind.fields()} == clauses == {*kind.__struct_fields__}
