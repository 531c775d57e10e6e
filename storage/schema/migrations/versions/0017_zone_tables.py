"""By which tables of time zones each process reckons, and by which all jobs are reckoned with."""

from __future__ import annotations

from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.execute("ALTER TABLE workers ADD COLUMN tzdata text")
    op.execute("""
        CREATE TABLE zone_tables (
            only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
            version text NOT NULL,
            settled_from timestamptz NOT NULL,
            began_at timestamptz,
            reached_claim_at timestamptz,
            reached_service_id uuid,
            reached_job_id uuid,
            held_by uuid
        )
    """)


def downgrade() -> None:
    op.execute("DROP TABLE zone_tables")
    op.execute("ALTER TABLE workers DROP COLUMN tzdata")
