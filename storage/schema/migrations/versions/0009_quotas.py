"""How many jobs each service has, and how many runs a minute."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE job_counts (
            service_id uuid NOT NULL,
            slot smallint NOT NULL,
            count integer NOT NULL,
            PRIMARY KEY (service_id, slot)
        ) WITH (fillfactor = 50)
    """)
    # The last digit of a job's id says which row counts it.
    op.execute("""
        INSERT INTO job_counts (service_id, slot, count)
        SELECT service_id, get_byte(uuid_send(id), 15) % 16, count(*) FROM jobs GROUP BY 1, 2
    """)
    op.execute("""
        CREATE UNLOGGED TABLE fire_counts (
            service_id uuid NOT NULL,
            minute timestamptz NOT NULL,
            count integer NOT NULL,
            PRIMARY KEY (service_id, minute)
        )
    """)
    op.execute("""
        CREATE INDEX services_with_fire_limit ON services (id)
        WHERE limits->>'fires_per_minute' IS NOT NULL
    """)


def downgrade() -> None:
    op.execute("DROP INDEX services_with_fire_limit")
    op.execute("DROP TABLE fire_counts")
    op.execute("DROP TABLE job_counts")
