"""What calendars held before, for the jobs that have not been brought up to their changes."""

from __future__ import annotations

from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE calendar_changes (
            service_id uuid NOT NULL REFERENCES services (id),
            id bigserial NOT NULL,
            name text NOT NULL,
            at timestamptz NOT NULL,
            exclude json NOT NULL,
            done_to uuid,
            continue_at timestamptz NOT NULL,
            PRIMARY KEY (service_id, id)
        )
    """)
    op.execute("ALTER TABLE jobs ADD COLUMN calendar_change bigint")


def downgrade() -> None:
    op.execute("ALTER TABLE jobs DROP COLUMN calendar_change")
    op.execute("DROP TABLE calendar_changes")
