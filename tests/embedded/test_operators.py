"""What a server refuses an operator's command is told in one line that says what to do."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy.exc import ProgrammingError

from app.embedded.ports import free_port
from app.embedded.servers import EmbeddedServers
from app.operations.server_refusals import advice_on
from storage.postgres.pools import Database
from storage.postgres.replicas import Replica
from storage.schema.migrate import revision_of
from storage.urls import ShardUrls
from tests.processes import CHECKOUT, ENCRYPTION_KEYS

MIGRATE = ("migrate",)
WAIT = ("migrate", "--wait", "--within", "0.3")
REBUILD = ("stats", "rebuild")
ROTATE = ("secrets", "rotate")
OPERATOR_KEY = ("key", "create", "--operator")
SERVICE_KEY = ("key", "create", "--service", "x")
NEED_TABLES = (REBUILD, ROTATE, OPERATOR_KEY, SERVICE_KEY)


def told(url: str, redis: str, *arguments: str) -> str:
    """The only line that a command prints, as it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", *arguments],
        env={
            **os.environ,
            "TOCSIN_PRIMARY_URL": url,
            "TOCSIN_REDIS_URL": redis,
            "TOCSIN_ENCRYPTION_KEYS": ENCRYPTION_KEYS,
        },
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (1, ""), done
    (line,) = done.stderr.splitlines()
    assert str(urlsplit(url).password) not in line
    return line


@pytest.fixture(scope="module")
def empty(urls: ShardUrls) -> Iterator[str]:
    """The URL of a database without tables."""
    name = f"empty_{uuid4().hex}"

    async def execute(statement: str) -> None:
        database = Database(urls.primary)
        async with database.driver() as driver:
            await driver.execute(statement)
        await database.close()

    asyncio.run(execute(f"CREATE DATABASE {name}"))
    yield urls.primary.rpartition("/")[0] + f"/{name}"
    asyncio.run(execute(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.mark.parametrize("command", [MIGRATE, *NEED_TABLES], ids=" ".join)
def test_a_server_that_is_not_there(urls: ShardUrls, command: tuple[str, ...]) -> None:
    address = f"127.0.0.1:{free_port()}/tocsin"
    line = told(f"postgresql://tocsin:open-sesame@{address}", urls.redis, *command)
    assert line.startswith(f"Error: Postgres at {address} does not answer: start it, or set")


def test_who_waits_for_the_schema_of_a_server_that_is_not_there(urls: ShardUrls) -> None:
    url = f"postgresql://tocsin:open-sesame@127.0.0.1:{free_port()}/tocsin"
    assert told(url, urls.redis, *WAIT).startswith("Error: The primary does not answer (")


@pytest.mark.parametrize("command", [MIGRATE, WAIT, SERVICE_KEY], ids=" ".join)
def test_a_password_or_a_database_that_is_wrong(urls: ShardUrls, command: tuple[str, ...]) -> None:
    wrong = urls.primary.replace(str(urlsplit(urls.primary).password), "open-sesame")
    assert " refuses the user or the password: set" in told(wrong, urls.redis, *command)
    nowhere = urls.primary.rpartition("/")[0] + "/nowhere"
    assert "/nowhere has no such database: make it" in told(nowhere, urls.redis, *command)


@pytest.mark.parametrize("command", NEED_TABLES, ids=" ".join)
def test_a_database_without_tables(urls: ShardUrls, empty: str, command: tuple[str, ...]) -> None:
    assert "run `tocsin migrate` (UndefinedTableError" in told(empty, urls.redis, *command)


def test_a_url_that_is_none(urls: ShardUrls) -> None:
    assert "cannot be found by this URL: set TOCSIN_PRIMARY_URL" in told(
        "x:/y", urls.redis, "migrate"
    )


async def test_whoever_looks_for_the_schema_leaves_no_error_in_the_log(empty: str) -> None:
    """Every process does, ten times a second, until it is there."""
    database = Database(empty)
    async with database.driver() as driver, driver.transaction():
        assert await revision_of(driver) is None
        assert await driver.fetchval("SELECT 1") == 1  # an error would have ended the transaction
    await database.close()


async def test_nor_does_who_looks_at_a_replica_that_has_not_replayed_it(
    empty: str, servers: EmbeddedServers
) -> None:
    replica = Replica(empty, 1, 1)
    await replica.ask()
    assert not replica.usable
    await replica.close()
    assert '"timelines" does not exist' not in servers.primary._log.read_text()


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (asyncpg.InvalidPasswordError("no"), "refuses the user"),
        (asyncpg.InvalidAuthorizationSpecificationError("no"), "refuses the user"),
        (asyncpg.ReadOnlySQLTransactionError("no"), "takes no writes"),
        (asyncpg.CannotConnectNowError("no"), "is starting or stopping"),
        (asyncpg.TooManyConnectionsError("no"), "has no connection left"),
        (asyncpg.InsufficientPrivilegeError("no"), "does not let this user"),
        (asyncpg.UndefinedColumnError("no"), "run `tocsin migrate`"),
        (asyncpg.exceptions.TargetServerAttributeNotMatched("no"), "is on none of these hosts"),
        (TimeoutError(), "does not answer"),
        (OSError("no"), "does not answer"),
        (ProgrammingError("", None, asyncpg.UndefinedTableError("no")), "run `tocsin migrate`"),
        (asyncpg.UniqueViolationError("no"), None),
        (KeyError("no"), None),
    ],
)
def test_what_is_to_be_done(error: Exception, advice: str | None) -> None:
    said = advice_on(error)
    assert (said is None) if advice is None else (advice in str(said))
