"""Bring a database to the newest schema."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from storage.partitions import make_partitions
from storage.postgres import Database

# Held while migrating: of several deployments that start at once, one migrates and the rest wait.
_ADVISORY_LOCK = 0x70C50


async def migrate(database: Database, now: datetime) -> None:
    """Apply the revisions that are missing, then make the partitions that `now` needs."""
    async with database.primary.connect() as connection:
        await connection.run_sync(_upgrade)
        await connection.commit()
    async with database.driver() as driver:
        await make_partitions(driver, now.date())


def alembic_config(connection: Connection) -> Config:
    """Alembic's configuration for a connection of ours."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def _upgrade(connection: Connection) -> None:
    connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _ADVISORY_LOCK})
    connection.commit()
    try:
        command.upgrade(alembic_config(connection), "head")
    finally:
        connection.rollback()
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _ADVISORY_LOCK})
