"""Migrations make exactly the tables that the code knows."""

from __future__ import annotations

import ast
import asyncio
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import JSON, Column, Connection

import storage.schema.migrations
from domain.filters.search_index import terms_of
from domain.targets.kinds.http import HttpTarget
from storage.postgres.pools import Database
from storage.schema.metadata import metadata
from storage.schema.migrate import (
    for_alembic,
    is_migrated,
    migrate,
    newest_revision,
    until_migrated,
)
from tests.processes import CHECKOUT
from tests.storage.schema.test_expand_and_contract import upgrade_to

TODAY = datetime(2031, 5, 10, 15, tzinfo=UTC)
PARTITION = re.compile(r"(runs|attempts|ledger|audit)_(default|\d{8})")
SCHEMA = """
SELECT table_name, column_name, data_type, is_nullable, column_default
FROM information_schema.columns WHERE table_schema = 'public'
UNION ALL
SELECT tablename, indexname, indexdef, NULL, NULL FROM pg_indexes WHERE schemaname = 'public'
UNION ALL
SELECT version_num, NULL, NULL, NULL, NULL FROM alembic_version
ORDER BY 1, 2, 3
"""


def differences(connection: Connection) -> list[object]:
    def is_ours(name: str | None, kind: str, _: object) -> bool:
        return kind != "table" or PARTITION.fullmatch(name or "") is None

    def differ(
        _: object, __: object, column: Column[object], found: str, *___: object
    ) -> bool | None:
        # Postgres cannot compare values of type json.
        return found != "'{}'::json" if isinstance(column.type, JSON) else None

    def is_written(column: object, _: object, kind: str, *__: object) -> bool:
        # Alembic does not know how to compare what Postgres computes.
        return kind != "column" or getattr(column, "computed", None) is None

    options = {
        "include_name": is_ours,
        "include_object": is_written,
        "compare_type": True,
        "compare_server_default": differ,
    }
    return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)


async def schema_of(database: Database) -> list[object]:
    async with database.driver() as driver:
        return await driver.fetch(SCHEMA)


async def test_the_migrated_schema_is_the_one_the_code_knows(database: Database):
    await migrate(database, TODAY)
    async with for_alembic(database) as connection:
        assert await connection.run_sync(differences) == []


def test_a_revision_imports_nothing_of_ours():
    """What it needs stands in it: later code must not change what an old revision does."""
    ours = {path.parent.name for path in CHECKOUT.glob("*/__init__.py")}
    assert {"commands", "domain", "storage"} <= ours
    for path in (Path(storage.schema.migrations.__file__).parent).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, path
                names = [node.module or ""]
            assert not {name.partition(".")[0] for name in names} & ours, path


async def test_jobs_of_before_lists_are_found_by_the_same_terms_as_others(database: Database):
    service_id, job_id = uuid4(), uuid4()
    target = {
        "type": "http",
        "url": "https://Example.com/run",
        "headers": {"authorization": "Bearer ${secret.TOKEN}"},
        "body": {"words": "$${secret.ESCAPED} ${secret. unfinished ${secret.two}"},
    }
    await upgrade_to(database, "0003")
    async with database.driver() as driver:
        await driver.execute(
            "INSERT INTO services (id, name, signing_secrets, created_at)"
            " VALUES ($1, 'old', '{}', $2)",
            service_id,
            TODAY,
        )
        await driver.execute(
            "INSERT INTO jobs (service_id, id, name, description, tags, schedule, target, retry,"
            " paused, claimed_for, version, created_at, updated_at, accounted_to)"
            " VALUES ($1, $2, 'Nightly_Report', 'Straße, daily', '{a b,c}', '{}', $3, '{}', false,"
            " '{}', 1, $4, $4, $4)",
            service_id,
            job_id,
            json.dumps(target),
            TODAY,
        )
    await migrate(database, TODAY)
    found = HttpTarget(
        url="https://example.com", headers={"a": "${secret.TOKEN}", "b": "${secret.two}"}
    )
    async with database.driver() as driver:
        (row,) = await driver.fetch("SELECT tsvector_to_array(terms) AS terms FROM listings")
    terms = terms_of(
        service_id,
        name="Nightly_Report",
        description="Straße, daily",
        tags=["a b", "c"],
        target=found,
    )
    assert sorted(row["terms"]) == sorted(terms)


async def test_migrating_again_changes_nothing(database: Database):
    await migrate(database, TODAY)
    before = await schema_of(database)
    await migrate(database, TODAY)
    assert await schema_of(database) == before


async def test_deployments_that_start_at_once_migrate_once(empty_database: str):
    databases = [Database(empty_database) for _ in range(4)]
    await asyncio.gather(*(migrate(database, TODAY) for database in databases))
    schema = await schema_of(databases[0])
    for database in databases:
        await database.close()
    assert {row["table_name"] for row in schema} > {
        "jobs",
        "runs",
        "runs_20310510",
        newest_revision(),
    }


async def test_who_waits_for_the_schema_goes_on_when_it_is_there(empty_database: str):
    waiting, migrating = Database(empty_database), Database(empty_database)
    assert not await is_migrated(waiting)
    waits = asyncio.create_task(until_migrated(waiting))
    await migrate(migrating, TODAY)
    await asyncio.wait_for(waits, timeout=10)
    assert await is_migrated(waiting)
    await waiting.close()
    await migrating.close()


async def test_a_newer_schema_will_do_and_an_older_one_will_not(database: Database):
    await migrate(database, TODAY)
    for revision, enough in (("9999", True), ("0000", False)):
        async with database.driver() as driver:
            await driver.execute("UPDATE alembic_version SET version_num = $1", revision)
        assert await is_migrated(database) is enough
