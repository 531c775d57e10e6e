"""What Postgres plans for the statements that move runs, while a day is young."""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from app import api
from app.embedded.ports import free_port
from commands.firing import defer_runs, finish_attempts, start_attempts, take_runs
from commands.firing.overlap import skip_blocked
from commands.jobs import reckon_zones
from storage.postgres.pools import WARM, Database, Driver, Server
from storage.schema.migrate import migrate
from workers.worker import process as worker

NOW = datetime(2031, 5, 10, 15, tzinfo=UTC)
SERVICE = uuid4()
IN_ORDER = "_job_id_due_at_id_idx"
TODAY = f"runs_{NOW:%Y%m%d}"
STATEMENTS = {
    "take": take_runs.TAKE.text,
    "start": start_attempts.START.text,
    "start in order": start_attempts.START_IN_ORDER.text,
    "finish": finish_attempts.FINISH.text,
    "defer": defer_runs.DEFER.text,
    "skip": skip_blocked.SKIP_BLOCKED.text,
}


async def have_a_few_runs(driver: Driver, count: int) -> None:
    """Of one job, and counted: a plan made now is for a day that stays so small."""
    await driver.execute(
        "INSERT INTO runs (service_id, job_id, scheduled_for, id, due_at, trigger, state, open,"
        " attempt_count, finished_at)"
        " SELECT $1, $1, at, gen_random_uuid(), at, 'manual', 'succeeded', false, 1, at"
        " FROM generate_series($2, $3, interval '1 second') AS at",
        uuid4(),
        NOW,
        NOW + timedelta(seconds=count - 1),
    )
    await driver.execute("VACUUM ANALYZE runs")


async def plan_of(driver: Driver, statement: str) -> str:
    """The generic plan, for runs of today."""
    await driver.execute(f"PREPARE planned AS {statement}")
    kinds = await driver.fetchval(
        "SELECT parameter_types::text[] FROM pg_prepared_statements WHERE name = 'planned'"
    )
    values = ", ".join(map(value_of, kinds))
    lines = await driver.fetch(f"EXPLAIN (COSTS OFF) EXECUTE planned ({values})")
    await driver.execute("DEALLOCATE planned")
    return "\n".join(line[0] for line in lines)


def value_of(kind: str) -> str:
    if kind.endswith("[]"):
        return f"'{{}}'::{kind}"
    values = {
        "timestamp with time zone": f"'{NOW}'",
        "uuid": f"'{uuid4()}'",
        "bigint": "200",
    }
    return values.get(kind, "'x'")


async def test_hot_statements_are_planned_ahead_and_that_changes_nothing(
    database: Database,
) -> None:
    await migrate(database, NOW)
    hot = {*worker.HOT, *api.HOT, *api.HOT_READS}
    async with database.driver() as driver:
        await have_a_few_runs(driver, 10)
        before = await driver.fetch("SELECT * FROM runs")
    await database.primary.warm_up(sorted(hot))
    async with contextlib.AsyncExitStack() as stack:
        drivers = [await stack.enter_async_context(database.driver()) for _ in range(WARM)]
        for driver in drivers:
            rows = await driver.fetch(
                "SELECT statement FROM pg_prepared_statements WHERE generic_plans > 0"
            )
            assert hot <= {row["statement"] for row in rows}
        assert await drivers[0].fetch("SELECT * FROM runs") == before
        for table in ("jobs", "audit", "attempts", "turns"):
            assert await drivers[0].fetchval(f"SELECT count(*) FROM {table}") == 0


async def test_where_there_is_no_table_or_no_server_nothing_is_planned_and_nothing_fails(
    database: Database,
) -> None:
    await database.primary.warm_up(worker.HOT)
    async with database.driver() as driver:
        assert await driver.fetchval("SELECT 1") == 1
    nowhere = Server(f"postgresql://tocsin@127.0.0.1:{free_port()}/tocsin", size=1)
    await nowhere.warm_up(worker.HOT)
    await nowhere.close()


@pytest.mark.parametrize("count", [0, 1, 10, 200])
@pytest.mark.parametrize("name", STATEMENTS)
async def test_a_plan_made_on_a_young_day_looks_runs_up_by_their_keys(
    database: Database, name: str, count: int
) -> None:
    await migrate(database, NOW)
    async with database.driver() as driver:
        await have_a_few_runs(driver, count)
        plan = await plan_of(driver, STATEMENTS[name])
    ways = re.findall(rf"Scan using (\w+) on {TODAY}\b.*\n +Index Cond: (.*)", plan)
    assert ways, plan
    for index, condition in ways:
        assert "service_id = " in condition, plan
        # The service alone would be all that it has of the day. Of one job, few begin in order.
        assert index.endswith(IN_ORDER) or re.search(
            r"\bid (=|>=) |\(job_id = .*scheduled_for = ", condition
        ), plan
    assert "Materialize" not in plan
    assert "Seq Scan" not in plan


async def test_a_batch_of_jobs_is_read_in_the_order_in_which_they_are_due(
    database: Database,
) -> None:
    await migrate(database, NOW)
    async with database.driver() as driver:
        await driver.execute(
            "INSERT INTO services (id, name, signing_secrets, created_at)"
            " VALUES ($1, 's', '{}', $2)",
            SERVICE,
            NOW,
        )
        await driver.execute(
            "INSERT INTO jobs (service_id, id, name, description, tags, schedule, target, retry,"
            " paused, next_claim_at, accounted_to, claimed_for, version, created_at, updated_at)"
            " SELECT $1, gen_random_uuid(), '', '', '{}', '{}', '{}', '{}', false,"
            " $2::timestamptz + n / 10 * interval '1 second', $2, '{}', 1, $2, $2"
            " FROM generate_series(1, 5000) AS n",
            SERVICE,
            NOW,
        )
        await driver.execute("ANALYZE jobs")
        statement = re.sub(r"\bLIMIT \$4", "LIMIT $4::bigint", reckon_zones.JOBS.text)
        plan = await plan_of(driver, statement)
    assert re.search(r"Index Scan using jobs_to_claim on jobs\n +Index Cond: .*next_claim_at", plan)
    assert "Presorted Key: jobs.next_claim_at" in plan, plan
