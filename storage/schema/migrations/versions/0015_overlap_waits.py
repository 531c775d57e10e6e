"""How long runs waited for their turn, apart from how late they are."""

from __future__ import annotations

from alembic import op

revision = "0015"
down_revision = "0014"

_STATS = ("job_stats", "service_stats")


def upgrade() -> None:
    op.execute("ALTER TABLE runs ADD COLUMN overlap_wait_ms double precision")
    op.execute("ALTER TABLE run_events ADD COLUMN overlap_wait_ms double precision[]")
    for table in _STATS:
        op.execute(f"""
            ALTER TABLE {table}
            ADD COLUMN overlap_wait bytea NOT NULL DEFAULT '',
            ADD COLUMN overlap_wait_max double precision
        """)
        op.execute(f"ALTER TABLE {table} ALTER COLUMN overlap_wait SET STORAGE EXTERNAL")


def downgrade() -> None:
    for table in _STATS:
        op.execute(f"ALTER TABLE {table} DROP COLUMN overlap_wait, DROP COLUMN overlap_wait_max")
    op.execute("ALTER TABLE run_events DROP COLUMN overlap_wait_ms")
    op.execute("ALTER TABLE runs DROP COLUMN overlap_wait_ms")
