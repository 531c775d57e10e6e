"""Statements are explained with whatever the reads give them."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from loadtests.plans.explain import Recorder, explained
from storage.shards import Shards


@pytest.mark.parametrize(
    ("condition", "value"),
    [
        ("id = $1::uuid", uuid4()),
        ("id = ANY ($1::uuid[])", [uuid4(), uuid4()]),
        ("id = ANY ($1::uuid[])", []),
        ("name = $1::text", "it's {a}"),
        ("created_at < $1::timestamptz", datetime.now(UTC)),
        ("version = $1::int", 7),
        ("$1::uuid IS NULL", None),
    ],
)
async def test_a_statement_is_explained_as_it_was_asked(
    shards: Shards, condition: str, value: object
) -> None:
    async with shards.all()[0].database.driver() as driver:
        recorder = Recorder(driver)
        assert await recorder.fetch(f"SELECT id FROM jobs WHERE {condition}", value) == []
        (asked,) = recorder.asked
        plan = await explained(driver, *asked)
    assert "on jobs" in plan.text or "One-Time Filter" in plan.text


async def test_an_index_of_a_partition_is_named_as_that_of_the_table(shards: Shards) -> None:
    async with shards.all()[0].database.driver() as driver:
        statement = "SELECT id FROM runs WHERE service_id = $1::uuid AND id = $2::uuid"
        plan = await explained(driver, statement, (uuid4(), uuid4()))
    (index,) = plan.indexes
    assert index in ("runs_by_id", "runs_pkey")  # on empty tables either serves
