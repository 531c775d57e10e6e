"""How old what is due is, and who lives, as each dispatcher tells it."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

from prometheus_client import REGISTRY

from domain.targets.kinds.http import HttpTarget
from domain.targets.timeout import MAX_TIMEOUT
from storage.postgres.heartbeats import LAPSE
from storage.runs.oldest_claimable import LOOKED_AT, UNCLAIMED, UNTAKEN
from storage.runs.overrunning import MARGIN, OVERRUNNING
from tests.commands.changing import delete
from tests.commands.firing import DUE, NOON, OTHER_WORKER, SECOND, WORKER, Firing
from workers.dispatcher.gauges import measure

MANY = 20_000
_MANY_RUNS = """
INSERT INTO runs (service_id, job_id, scheduled_for, id, due_at, trigger, state, open,
    attempt_count, buffered)
SELECT $1, gen_random_uuid(), $2, gen_random_uuid(), $2, 'schedule', 'running', true, 1, false
FROM generate_series(1, $3)
"""


def ages() -> tuple[float | None, float | None]:
    def age(of: str) -> float | None:
        return REGISTRY.get_sample_value("tocsin_oldest_due_seconds", {"waits_for": of})

    return age("dispatcher"), age("worker")


async def test_it_waits_for_a_dispatcher_and_then_for_a_worker(firing: Firing):
    await firing.job()
    await measure(firing.database, DUE - SECOND)
    assert ages() == (0, 0)
    await measure(firing.database, DUE + 2 * SECOND)
    assert ages() == (2, 0)
    claim = await firing.claim()
    await measure(firing.database, DUE + 2 * SECOND)
    assert ages() == (0, 2)
    await firing.take(*((run.service_id, run.id) for run in claim.runs))
    await measure(firing.database, DUE + 2 * SECOND)
    assert ages() == (0, 0)


async def test_a_process_lives_as_long_as_it_beats(firing: Firing):
    await firing.beat(WORKER)
    await firing.beat(OTHER_WORKER, ago=LAPSE - SECOND)
    await firing.beat(uuid4(), kind="dispatcher", ago=LAPSE)
    assert await measure(firing.database, NOON) == 2
    assert REGISTRY.get_sample_value("tocsin_heartbeats", {"kind": "worker"}) == 2
    assert REGISTRY.get_sample_value("tocsin_heartbeats", {"kind": "dispatcher"}) == 0


async def test_a_run_rings_too_long_beyond_its_time_out_and_a_margin(firing: Firing):
    def too_long() -> float | None:
        return REGISTRY.get_sample_value("tocsin_overrunning_runs")

    target = HttpTarget(url="https://example.com", timeout=90 * SECOND)
    run = await firing.running_run(target=target)
    await firing.queued_run()
    await measure(firing.database, DUE + MARGIN + 89 * SECOND)
    assert too_long() == 0
    await measure(firing.database, DUE + MARGIN + 90 * SECOND)
    assert too_long() == 1
    await delete(firing.shards, firing.caller, run.job_id)
    await measure(firing.database, DUE + MARGIN + 90 * SECOND)
    assert too_long() == 0
    await measure(firing.database, DUE + MARGIN + MAX_TIMEOUT)
    assert too_long() == 1


async def test_what_is_looked_at_is_bounded_however_much_is_open(firing: Firing):
    """Rows and pages are counted by Postgres itself, with 20,000 runs that ring and are old."""
    async with firing.database.driver() as driver:
        await driver.execute(
            _MANY_RUNS, firing.caller.service_id, NOON - timedelta(minutes=1), MANY
        )
    async with firing.database.reading() as driver:
        for statement in (UNCLAIMED, UNTAKEN, OVERRUNNING):
            plan = await driver.fetch(f"EXPLAIN (ANALYZE, BUFFERS OFF) {statement.text}", NOON)
            text = "\n".join(line[0] for line in plan)
            assert "Seq Scan" not in text, text
            assert "->  Sort" not in text, text
            assert f"rows={MANY}" not in text, text
            looked = [line for line in text.splitlines() if "runs_" in line and "actual" in line]
            assert looked, text
        assert f"rows={LOOKED_AT}" in text
