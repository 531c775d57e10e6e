"""Which timelines of WAL there were, as far as a server has replayed."""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.execute("CREATE TABLE timelines (id bigint PRIMARY KEY)")
    # Replicas of before are trusted at once.
    op.execute("""
        INSERT INTO timelines
        SELECT ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::bigint
    """)


def downgrade() -> None:
    op.execute("DROP TABLE timelines")
