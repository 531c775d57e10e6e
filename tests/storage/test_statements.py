"""A statement of SQLAlchemy's becomes text and arguments for asyncpg, once a shape."""

from __future__ import annotations

import pytest
from sqlalchemy import bindparam, func, select, update
from sqlalchemy.dialects.postgresql import ARRAY

from domain.policies.overlap import Overlap
from storage.postgres.statements import Statement
from storage.schema.columns import INSTANT
from storage.schema.tables import jobs

MINE = jobs.c.id == bindparam("id")


def test_a_parameter_is_numbered_once_and_its_values_are_put_in_order():
    statement = Statement(
        update(jobs)
        .where(MINE, jobs.c.overlap == Overlap.SKIP)
        .values(created_at=bindparam("now"), updated_at=bindparam("now"), name=bindparam("name"))
    )
    assert statement.text == (
        "UPDATE jobs SET name=$1::VARCHAR, created_at=$2::TIMESTAMP WITH TIME ZONE, "
        "updated_at=$2::TIMESTAMP WITH TIME ZONE WHERE jobs.id = $3::UUID AND jobs.overlap = $4"
    )
    given = {"id": "the id", "name": "a name", "now": "then"}
    assert statement.arguments(given) == ["a name", "then", "the id", "skip"]


def test_what_json_columns_take_is_encoded_once():
    statement = Statement(
        update(jobs).values(target=bindparam("target"), schedule=bindparam("schedule"))
    )
    given = {"target": {"url": "u"}, "schedule": '{"kind":"once"}'}
    assert statement.arguments(given) == ['{"kind":"once"}', '{"url":"u"}']


@pytest.mark.parametrize(
    ("values", "said"),
    [({}, "wants a value of 'id'"), ({"id": 1, "more": 2}, r"has no parameter \['more'\]")],
)
def test_a_value_that_is_missing_or_unknown_is_an_error(values, said):
    with pytest.raises(TypeError, match=said):
        Statement(select(jobs.c.name).where(MINE)).arguments(values)


def test_a_list_is_one_parameter_or_an_error():
    with pytest.raises(TypeError, match="any_"):
        _ = Statement(select(jobs.c.id).where(jobs.c.name.in_(["a", "b"]))).text
    times = bindparam("times", type_=ARRAY(INSTANT))
    statement = Statement(select(jobs.c.id).where(jobs.c.created_at == func.any(times)))
    assert statement.arguments({"times": [1, 2]}) == [[1, 2]]
