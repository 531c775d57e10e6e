"""Events of ended runs, and the statistics that are kept of them."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"

_FIGURES = """
    succeeded integer NOT NULL,
    failed integer NOT NULL,
    cancelled integer NOT NULL,
    skipped_overlap integer NOT NULL,
    lateness bytea NOT NULL,
    lateness_max double precision,
    duration bytea NOT NULL,
    duration_max double precision,
    loose integer NOT NULL,
    last_success_at timestamptz,
    last_failure_at timestamptz,
    updated_at timestamptz NOT NULL
"""

# Events come and go by the second: vacuum must not wait until a share of the table is dead.
# What is read once, or compact, is not worth compressing.
_UP = f"""
CREATE TABLE run_events (
    id bigserial PRIMARY KEY,
    count integer NOT NULL,
    service_ids uuid[] NOT NULL,
    job_ids uuid[] NOT NULL,
    states text[] NOT NULL,
    lateness_ms double precision[] NOT NULL,
    duration_ms double precision[] NOT NULL,
    finished_at timestamptz[] NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
ALTER TABLE run_events
    ALTER COLUMN service_ids SET STORAGE EXTERNAL,
    ALTER COLUMN job_ids SET STORAGE EXTERNAL,
    ALTER COLUMN states SET STORAGE EXTERNAL,
    ALTER COLUMN lateness_ms SET STORAGE EXTERNAL,
    ALTER COLUMN duration_ms SET STORAGE EXTERNAL,
    ALTER COLUMN finished_at SET STORAGE EXTERNAL;

CREATE TABLE job_stats (
    service_id uuid NOT NULL,
    job_id uuid NOT NULL,
    day timestamptz NOT NULL,{_FIGURES},
    PRIMARY KEY (service_id, job_id, day)
) WITH (fillfactor = 70);
ALTER TABLE job_stats
    ALTER COLUMN lateness SET STORAGE EXTERNAL, ALTER COLUMN duration SET STORAGE EXTERNAL;
CREATE INDEX job_stats_by_day ON job_stats USING brin (day);

CREATE TABLE service_stats (
    service_id uuid NOT NULL,
    hour timestamptz NOT NULL,{_FIGURES},
    PRIMARY KEY (service_id, hour)
) WITH (fillfactor = 50);
ALTER TABLE service_stats
    ALTER COLUMN lateness SET STORAGE EXTERNAL, ALTER COLUMN duration SET STORAGE EXTERNAL;
CREATE INDEX service_stats_by_hour ON service_stats USING brin (hour)
"""


def upgrade() -> None:
    for statement in _UP.split(";\n"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE service_stats, job_stats, run_events")
