"""In which trace a job or run was asked for."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.execute("""
        CREATE UNLOGGED TABLE traces (
            service_id uuid NOT NULL,
            id uuid NOT NULL,
            traceparent text NOT NULL,
            noted_at timestamptz NOT NULL,
            PRIMARY KEY (service_id, id)
        )
    """)
    op.execute("CREATE INDEX traces_by_age ON traces (noted_at)")


def downgrade() -> None:
    op.execute("DROP TABLE traces")
