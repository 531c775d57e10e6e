"""Alembic's entry: runs the revisions over one connection of ours."""

from __future__ import annotations

from alembic import context
from sqlalchemy import text

from storage.schema import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, transaction_per_migration=True)
# A migration that waits for a lock blocks everyone behind it: better to give up and be run again.
connection.execute(text("SET lock_timeout = '5s'"))
with context.begin_transaction():
    context.run_migrations()
