"""First tables."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None

_TABLES = """
CREATE TABLE services (
    id uuid PRIMARY KEY,
    name text NOT NULL UNIQUE,
    signing_secrets text[] NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE TABLE api_keys (
    service_id uuid NOT NULL REFERENCES services (id),
    hash bytea NOT NULL,
    id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    revoked_at timestamptz,
    PRIMARY KEY (service_id, hash)
);

CREATE TABLE jobs (
    service_id uuid NOT NULL REFERENCES services (id),
    id uuid NOT NULL,
    name text NOT NULL,
    description text NOT NULL,
    tags text[] NOT NULL,
    schedule json NOT NULL,
    target json NOT NULL,
    retry json NOT NULL,
    paused boolean NOT NULL,
    next_claim_at timestamptz,
    claimed_for timestamptz[] NOT NULL,
    version integer NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (service_id, id)
) WITH (fillfactor = 80);
CREATE INDEX jobs_to_claim ON jobs (next_claim_at) WHERE next_claim_at IS NOT NULL;

CREATE TABLE runs (
    service_id uuid NOT NULL,
    job_id uuid NOT NULL,
    scheduled_for timestamptz NOT NULL,
    id uuid NOT NULL,
    due_at timestamptz NOT NULL,
    trigger varchar(32) NOT NULL,
    state varchar(32) NOT NULL,
    open boolean NOT NULL,
    attempt_count smallint NOT NULL,
    held_by uuid,
    retry_at timestamptz,
    attempt_started_at timestamptz,
    started_at timestamptz,
    finished_at timestamptz,
    lateness_ms double precision,
    PRIMARY KEY (service_id, job_id, scheduled_for)
) PARTITION BY RANGE (scheduled_for);
CREATE INDEX runs_by_id ON runs (service_id, id);
CREATE INDEX runs_open ON runs (due_at) WHERE open;
CREATE INDEX runs_to_retry ON runs (retry_at) WHERE retry_at IS NOT NULL;
CREATE TABLE runs_default PARTITION OF runs DEFAULT;

CREATE TABLE attempts (
    service_id uuid NOT NULL,
    run_id uuid NOT NULL,
    number smallint NOT NULL,
    scheduled_for timestamptz NOT NULL,
    started_at timestamptz NOT NULL,
    finished_at timestamptz NOT NULL,
    outcome varchar(32) NOT NULL,
    status_code smallint,
    error text,
    response_excerpt text,
    PRIMARY KEY (service_id, run_id, number, scheduled_for)
) PARTITION BY RANGE (scheduled_for);
CREATE TABLE attempts_default PARTITION OF attempts DEFAULT;

CREATE TABLE workers (
    id uuid PRIMARY KEY,
    kind text NOT NULL,
    host text NOT NULL,
    pid integer NOT NULL,
    started_at timestamptz NOT NULL,
    heartbeat_at timestamptz NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE audit (
    service_id uuid NOT NULL,
    at timestamptz NOT NULL,
    id uuid NOT NULL,
    principal text NOT NULL,
    action text NOT NULL,
    object_id uuid NOT NULL,
    request_id text NOT NULL,
    details json NOT NULL,
    PRIMARY KEY (service_id, at, id)
) PARTITION BY RANGE (at);
CREATE TABLE audit_default PARTITION OF audit DEFAULT;
"""


def upgrade() -> None:
    for statement in filter(str.strip, _TABLES.split(";\n")):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE audit, workers, attempts, runs, jobs, api_keys, services")
