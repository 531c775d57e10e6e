"""Bring a database to the newest schema, and tell whether it is there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from msgspec import Struct

from storage.postgres.connect import connect
from storage.postgres.keepalive import SERVER_SIDE
from storage.postgres.pools import CONNECT_SECONDS, SERVER_SETTINGS, UNREACHABLE, Database, Driver
from storage.schema.partitions import make_partitions

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection

log = structlog.get_logger()
_MIGRATIONS = Path(__file__).parent / "migrations"
# Held while migrating: of several deployments that start at once, one migrates and the rest wait.
_ADVISORY_LOCK = 0x70C50
_LOOK_AGAIN_SECONDS = 0.1
_TELL_EVERY = 100
STILL_SECONDS = 60
_LOCK_NOT_AVAILABLE = "55P03"


class Patience(Struct, frozen=True, kw_only=True):
    """How a migration waits for the locks that others hold.

    Attributes:
        seconds: Who waits for a lock blocks everyone behind: after so long it lets them pass.
        tries: So often it waits.
        pause_seconds: For so long others pass.
    """

    seconds: float = 5.0
    tries: int = 12
    pause_seconds: float = 5.0


PATIENCE = Patience()


class LockedOut(Exception):
    """A migration could not have a table for itself."""


class SchemaMissing(Exception):
    """The schema that this code needs has not come in time."""


async def migrate(database: Database, now: datetime, patience: Patience = PATIENCE) -> None:
    """Apply the revisions that are missing, then make the partitions that `now` needs.

    Raises:
        LockedOut: When somebody holds a table for too long; it is safe to try again.
    """
    if not await is_migrated(database):
        await _upgrade_in_tries(database, patience)
    async with database.driver() as driver:
        await make_partitions(driver, now.date())


async def is_migrated(database: Database) -> bool:
    """Whether the schema is the one that this code needs, or a later one."""
    async with database.driver() as driver:
        revision = await revision_of(driver)
    return revision is not None and revision >= newest_revision()


async def revision_of(driver: Driver) -> str | None:
    """The schema's revision; None where there are no tables, which is no error in Postgres' log."""
    if await driver.fetchval("SELECT to_regclass('alembic_version')") is None:
        return None
    revision: str | None = await driver.fetchval("SELECT version_num FROM alembic_version")
    return revision


async def _upgrade_in_tries(database: Database, patience: Patience) -> None:
    """Between two tries, what waited behind the migration goes on."""
    for _ in range(patience.tries):
        if await _upgraded(database, patience.seconds):
            return
        log.warning("migration.waits_for_lock", again_in_seconds=patience.pause_seconds)
        await asyncio.sleep(patience.pause_seconds)
    raise LockedOut(
        f"A transaction held what the migration to {newest_revision()} needs,"
        f" {patience.tries} times for {patience.seconds:g} s. End it (SELECT * FROM"
        " pg_stat_activity WHERE state <> 'idle' ORDER BY xact_start), and run"
        " `tocsin migrate` again: what is done stays done."
    )


async def _upgraded(database: Database, lock_seconds: float) -> bool:
    """Whether that could be done; revisions before the one that could not are kept."""
    from sqlalchemy.exc import DBAPIError  # noqa: PLC0415 (as below)

    async with for_alembic(database) as connection:
        await _wait_for_others(connection)
        try:
            await connection.run_sync(_upgrade, lock_seconds)
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
                raise
            return False
        await connection.commit()
    return True


@asynccontextmanager
async def for_alembic(database: Database) -> AsyncIterator[AsyncConnection]:
    """A connection for revisions, on which a statement may take long: an index of a large day."""
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415 (as below)
    from sqlalchemy.pool import NullPool  # noqa: PLC0415

    connecting = partial(
        connect,
        database.primary_url,
        timeout=CONNECT_SECONDS,
        command_timeout=None,
        server_settings=SERVER_SETTINGS | SERVER_SIDE,
    )
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connecting,
        poolclass=NullPool,
        hide_parameters=True,
        json_deserializer=str,  # revisions decode what they read themselves
    )
    async with engine.connect() as connection:
        yield connection


async def _wait_for_others(connection: AsyncConnection) -> None:
    """Be the only one that migrates.

    Nothing runs while it waits: an index that another builds concurrently would wait for that.
    """
    from sqlalchemy import text  # noqa: PLC0415

    while not await connection.scalar(
        text("SELECT pg_try_advisory_lock(:key)"), {"key": _ADVISORY_LOCK}
    ):
        await connection.commit()
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)
    await connection.commit()


async def wait_for_schema(database: Database, seconds: float) -> None:
    """The same as `until_migrated`, for so long.

    Raises:
        SchemaMissing: When it is not there by then.
    """
    try:
        async with asyncio.timeout(seconds):
            await until_migrated(database)
    except TimeoutError:
        raise SchemaMissing(
            f"{await _state_of_schema(database)}, and this version needs {newest_revision()},"
            f" after {seconds:g} s. Is `tocsin migrate` run, by a Job or by you?"
        ) from None


async def _state_of_schema(database: Database) -> str:
    try:
        async with database.driver() as driver:
            revision = await revision_of(driver)
    except UNREACHABLE as error:
        return f"The primary does not answer ({str(error) or type(error).__name__})"
    return "The database has no tables" if revision is None else f"The schema is at {revision}"


async def until_migrated(database: Database) -> None:
    """Wait for the servers, and for `tocsin migrate` to have done its work."""
    looks = 0
    while not await _is_migrated_now(database):
        looks += 1
        if looks % _TELL_EVERY == 0:
            log.warning("schema.awaited", revision=newest_revision())
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)


async def _is_migrated_now(database: Database) -> bool:
    try:
        return await is_migrated(database)
    except UNREACHABLE:
        return False


def newest_revision() -> str:
    """The last of the revisions, which are numbered: `0001` and so on."""
    return max(path.name[:4] for path in (_MIGRATIONS / "versions").glob("[0-9]*.py"))


def alembic_config(connection: Connection, lock_seconds: float = PATIENCE.seconds) -> Config:
    """Alembic's configuration for a connection of ours."""
    from alembic.config import Config  # noqa: PLC0415 (a start with nothing to migrate is quick)

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    config.attributes["lock_seconds"] = lock_seconds
    return config


def _upgrade(connection: Connection, lock_seconds: float) -> None:
    from alembic import command  # noqa: PLC0415
    from sqlalchemy import text  # noqa: PLC0415

    # Between two statements a revision may compute; who stands still must not lock tables for ever.
    connection.execute(text(f"SET idle_in_transaction_session_timeout = '{STILL_SECONDS}s'"))
    connection.execute(text("SET statement_timeout = 0"))
    if connection.scalar(text("SELECT current_setting('transaction_timeout', true)")) is not None:
        connection.execute(text("SET transaction_timeout = 0"))
    connection.commit()
    try:
        command.upgrade(alembic_config(connection, lock_seconds), "head")
    finally:
        connection.rollback()
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _ADVISORY_LOCK})
