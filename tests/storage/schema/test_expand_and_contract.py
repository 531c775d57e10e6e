"""The last revision only adds, and waits for locks without stopping anybody.

docs/how-to/migrations.md says what is proved here, and what is not.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import asyncpg
import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from commands.jobs.delete_job import DeleteJob, delete_job
from commands.jobs.update_job import Changes, UpdateJob, update_job
from commands.keys.bootstrap_key import BootstrapKey, bootstrap_key
from domain.access.caller import Caller
from domain.access.keys import service_of
from queries.jobs.get_job import GetJob, get_job
from queries.runs.get_run import GetRun, get_run
from storage.postgres.pools import Database
from storage.schema.migrate import (
    LockedOut,
    Patience,
    alembic_config,
    for_alembic,
    is_migrated,
    migrate,
    newest_revision,
)
from storage.shards import Shards
from storage.urls import ShardUrls
from tests.commands.firing import DUE, LATER, NOON, SECOND, Firing, failed
from tests.processes import CHECKOUT

TODAY = datetime.now(UTC)
COLUMNS = """
SELECT relname::text AS table, attname::text AS column, format_type(atttypid, atttypmod) AS type,
    attnotnull AS needed, attgenerated::text AS generated, pg_get_expr(adbin, adrelid) AS default
FROM pg_attribute
JOIN pg_class ON pg_class.oid = attrelid AND relkind IN ('r', 'p') AND NOT relispartition
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE relnamespace = 'public'::regnamespace AND attnum > 0 AND NOT attisdropped
    AND relname <> 'alembic_version'
"""
# What may refuse or change rows.
GUARDS = """
SELECT conrelid::regclass::text AS table, pg_get_constraintdef(oid) AS guard FROM pg_constraint
WHERE connamespace = 'public'::regnamespace AND conrelid <> 0 AND conparentid = 0 AND contype <> 'n'
UNION ALL
SELECT indrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
JOIN pg_class ON pg_class.oid = indexrelid AND relnamespace = 'public'::regnamespace
WHERE indisunique AND NOT relispartition
UNION ALL
SELECT tgrelid::regclass::text, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
"""


def revision_before(connection: Connection) -> str:
    script = ScriptDirectory.from_config(alembic_config(connection))
    before = script.get_revision(newest_revision()).down_revision
    assert isinstance(before, str)
    return before


def upgrade_to_the_revision_before(connection: Connection) -> None:
    command.upgrade(alembic_config(connection), revision_before(connection))


@pytest.fixture
async def old(database: Database) -> Database:
    """A database at the revision before the last."""
    async with for_alembic(database) as connection:
        await connection.run_sync(upgrade_to_the_revision_before)
        await connection.commit()
    return database


@asynccontextmanager
async def worked_on(url: str, redis: str) -> AsyncIterator[Firing]:
    shards = Shards(ShardUrls(primary=url, redis=redis))
    key = await bootstrap_key(BootstrapKey(service_name="old", now=TODAY), shards)
    service_id = service_of(key)
    assert service_id is not None
    yield Firing(shards, Caller(service_id=service_id, principal="key:old", request_id="old"))
    await shards.close()


async def columns_of(database: Database) -> dict[tuple[str, str], asyncpg.Record]:
    async with database.driver() as driver:
        return {(row["table"], row["column"]): row for row in await driver.fetch(COLUMNS)}


async def guards_of(database: Database) -> set[tuple[str, str]]:
    async with database.driver() as driver:
        return {(row["table"], row["guard"]) for row in await driver.fetch(GUARDS)}


async def put_rows(source: Database, into: Database, columns: list[tuple[str, str]]) -> list[str]:
    """Insert the rows of one database into another, of each table these columns only.

    Returns:
        The tables that had rows.
    """
    async with into.driver() as driver:
        for table in ("services", "timelines"):  # what the revisions themselves put there
            await driver.execute(f"DELETE FROM {table}")
    filled = []
    tables = {table for table, _ in columns}
    for table in sorted(tables, key=lambda name: name != "services"):  # others refer to them
        names = ", ".join(f'"{column}"' for of, column in columns if of == table)
        async with source.driver() as driver:
            rows = await driver.fetch(f"SELECT {names} FROM {table}")
        filled += [table] if rows else []
        async with into.driver() as driver, driver.transaction():
            await driver.execute(f"DELETE FROM {table}")
            for row in rows:
                marks = ", ".join(f"${number}" for number in range(1, len(row) + 1))
                await driver.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", *row)
    return filled


def written(columns: dict[tuple[str, str], asyncpg.Record]) -> list[tuple[str, str]]:
    return [key for key, row in columns.items() if not row["generated"]]


@pytest.fixture
async def real(commands_urls: ShardUrls, urls: ShardUrls) -> AsyncIterator[Database]:
    """A database with rows that this code wrote: a job, with a run that waits in a worker."""
    name = "real_rows"
    async with asyncpg_session(urls.primary) as session:
        await session.execute(f"CREATE DATABASE {name}")
    url = urls.primary.rpartition("/")[0] + f"/{name}"
    made = Database(url)
    await migrate(made, TODAY)
    async with worked_on(url, f"{urls.redis}/10") as firing:
        await firing.job(at=DUE + 3600 * SECOND)
        await firing.queued_run()
    yield made
    await made.close()
    async with asyncpg_session(urls.primary) as session:
        await session.execute(f"DROP DATABASE {name} WITH (FORCE)")


@asynccontextmanager
async def asyncpg_session(url: str) -> AsyncIterator[asyncpg.Connection]:
    session = await asyncpg.connect(url)
    try:
        yield session
    finally:
        await session.close()


async def test_the_last_revision_only_adds(old: Database):
    columns, guards = await columns_of(old), await guards_of(old)
    await migrate(old, TODAY)
    after, guards_after = await columns_of(old), await guards_of(old)
    assert {key: after.get(key) for key in columns} == columns
    old_tables = {table for table, _ in columns}
    added = [row for key, row in after.items() if key not in columns and key[0] in old_tables]
    assert all(row["default"] or row["generated"] or not row["needed"] for row in added), added
    assert guards <= guards_after
    new_tables = {table for table, _ in after} - old_tables
    assert [guard for guard in guards_after - guards if guard[0] not in new_tables] == []


async def test_what_older_code_writes_is_accepted(old: Database, real: Database):
    columns = written(await columns_of(old))
    await migrate(old, TODAY)
    tables = await put_rows(real, old, columns)
    assert {"services", "jobs", "runs", "audit", "listings"} <= set(tables)
    async with old.driver() as driver:
        for table in tables:
            same = ", ".join(f'"{name}" = "{name}"' for of, name in columns if of == table)
            assert int((await driver.execute(f"UPDATE {table} SET {same}")).split()[1]) > 0
        for table in sorted(tables, key=lambda name: name == "services"):
            assert int((await driver.execute(f"DELETE FROM {table}")).split()[1]) > 0


async def test_rows_of_the_revision_before_go_on_with_this_code(
    old: Database, real: Database, urls: ShardUrls
):
    await put_rows(real, old, written(await columns_of(old)))
    await migrate(old, TODAY)
    shards = Shards(ShardUrls(primary=old.primary_url, redis=f"{urls.redis}/12"))
    async with old.driver() as driver:
        (run,) = await driver.fetch("SELECT * FROM runs WHERE state = 'queued'")
        (job,) = await driver.fetch("SELECT * FROM jobs WHERE next_claim_at IS NOT NULL")
    caller = Caller(service_id=run["service_id"], principal="key:old", request_id="new")
    firing, job_id = Firing(shards, caller), job["id"]
    assert (await firing.claim(job["next_claim_at"])).runs
    (taken,) = await firing.take((caller.service_id, run["id"]))
    assert await firing.start(taken) == {taken.id}
    assert await firing.finish(failed(taken)) == {taken.id}
    await firing.next_attempt(taken)
    read, attempts = await get_run(GetRun(caller=caller, run_id=taken.id, now=LATER), shards)
    assert (read.state, len(attempts)) == ("running", 2)
    changes = Changes(name="renamed")
    await update_job(UpdateJob(caller=caller, job_id=job_id, changes=changes, now=NOON), shards)
    entry = await get_job(GetJob(service_id=caller.service_id, job_id=job_id, now=NOON), shards)
    assert b"renamed" in entry.body
    await delete_job(DeleteJob(caller=caller, job_id=job_id, now=NOON), shards)
    await shards.close()


async def test_this_code_waits_while_the_schema_is_older(old: Database):
    assert not await is_migrated(old)
    await migrate(old, TODAY)
    assert await is_migrated(old)


def wait(old: Database, urls: ShardUrls, seconds: float) -> subprocess.CompletedProcess[str]:
    found = {"TOCSIN_PRIMARY_URL": old.primary_url, "TOCSIN_REDIS_URL": urls.redis}
    return subprocess.run(
        [sys.executable, "-m", "app.cli", "migrate", "--wait", "--within", str(seconds)],
        env={**os.environ, **found},
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


async def test_waiting_for_the_schema_ends_and_tells_where_it_is(old: Database, urls: ShardUrls):
    done = await asyncio.to_thread(wait, old, urls, 0.3)
    assert done.returncode == 1
    async with old.driver() as driver:
        at = await driver.fetchval("SELECT version_num FROM alembic_version")
    said = f"The schema is at {at}, and this version needs {newest_revision()}, after 0.3 s."
    assert said in done.stderr
    await migrate(old, TODAY)
    done = await asyncio.to_thread(wait, old, urls, 20)
    assert (done.returncode, done.stderr) == (0, "")


def hasty(tries: int) -> Patience:
    return Patience(seconds=0.2, tries=tries, pause_seconds=0.05)


@pytest.fixture
async def at_0008(database: Database) -> Database:
    """A database whose next revision wants a table of old for itself: 0009 indexes services."""
    await upgrade_to(database, "0008")
    return database


async def upgrade_to(database: Database, revision: str) -> None:
    async with for_alembic(database) as connection:
        await connection.run_sync(lambda on: command.upgrade(alembic_config(on), revision))
        await connection.commit()


async def test_a_revision_that_waits_for_a_table_lets_others_pass(at_0008: Database):
    async with asyncpg_session(at_0008.primary_url) as holder:
        blocking = holder.transaction()
        await blocking.start()
        await holder.execute("LOCK TABLE services IN ROW EXCLUSIVE MODE")
        migrating = asyncio.create_task(migrate(at_0008, TODAY, hasty(tries=1_000)))
        async with asyncpg_session(at_0008.primary_url) as other:
            # Each of these waits behind the revision, if it waits, and goes on when it gives way.
            for _ in range(20):
                await asyncio.wait_for(other.execute("UPDATE services SET name = name"), 10)
                await asyncio.wait_for(other.execute("UPDATE jobs SET name = name"), 10)
        assert not migrating.done()
        await blocking.rollback()
        await asyncio.wait_for(migrating, 30)
    assert await is_migrated(at_0008)


async def test_a_revision_gives_up_after_some_tries_and_says_why(at_0008: Database):
    async with asyncpg_session(at_0008.primary_url) as holder, holder.transaction():
        await holder.execute("LOCK TABLE services IN ROW EXCLUSIVE MODE")
        with pytest.raises(LockedOut, match=r"2 times for 0\.2 s"):
            await migrate(at_0008, TODAY, hasty(tries=2))
    await migrate(at_0008, TODAY)
    assert await is_migrated(at_0008)
