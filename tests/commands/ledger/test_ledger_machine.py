"""No order of events leaves a hole in the ledger, or tells of a fire time twice."""

from __future__ import annotations

import asyncio
import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from storage.shards import Shards
from storage.urls import ShardUrls
from tests.commands.ledger_machine import LedgerMachine, World

# `TOCSIN_LEDGER_EXAMPLES=300 pytest tests/commands/ledger/test_ledger_machine.py` looks longer.
EXAMPLES = int(os.environ.get("TOCSIN_LEDGER_EXAMPLES", "20"))


@pytest.mark.promise("one outcome", "ledger")
def test_every_fire_time_ends_with_exactly_one_outcome_that_what_happened_allows(
    commands_urls: ShardUrls,
):
    with asyncio.Runner() as runner:

        async def connect() -> Shards:
            return Shards(commands_urls)

        world = World(runner.run(connect()), runner)
        try:
            run_state_machine_as_test(
                lambda: LedgerMachine(world),
                settings=settings(
                    max_examples=EXAMPLES,
                    stateful_step_count=30,
                    deadline=None,
                    # An example takes a second: to shrink one would take many minutes.
                    phases=[Phase.reuse, Phase.generate],
                    report_multiple_bugs=False,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(world.shards.close())
