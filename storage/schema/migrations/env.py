"""Alembic's entry: runs the revisions over one connection of ours."""

from __future__ import annotations

from alembic import context
from sqlalchemy import text

connection = context.config.attributes["connection"]
context.configure(connection=connection, transaction_per_migration=True)
# storage/schema/migrate.py tries again when it runs out.
milliseconds = round(context.config.attributes["lock_seconds"] * 1_000)
connection.execute(text(f"SET lock_timeout = {milliseconds}"))
with context.begin_transaction():
    context.run_migrations()
