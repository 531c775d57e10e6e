"""How many runs were missed, in statistics."""

from __future__ import annotations

from alembic import op

revision = "0018"
down_revision = "0017"

_STATS = ("job_stats", "service_stats")


def upgrade() -> None:
    for table in _STATS:
        op.execute(f"ALTER TABLE {table} ADD COLUMN missed integer NOT NULL DEFAULT 0")


def downgrade() -> None:
    for table in _STATS:
        op.execute(f"ALTER TABLE {table} DROP COLUMN missed")
