"""Overlap, catch-up, calendars, backfills and the fire ledger."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"

_UP = """
ALTER TABLE jobs
    ADD COLUMN overlap varchar(32) NOT NULL DEFAULT 'skip',
    ADD COLUMN catchup json NOT NULL DEFAULT '{}',
    ADD COLUMN calendars text[] NOT NULL DEFAULT '{}',
    ADD COLUMN next_fire_for timestamptz,
    ADD COLUMN accounted_to timestamptz,
    ADD COLUMN run_count integer NOT NULL DEFAULT 0,
    ADD COLUMN pause_reason text;
UPDATE jobs SET next_fire_for = next_claim_at,
    accounted_to = coalesce(next_claim_at - interval '1 microsecond', updated_at);
ALTER TABLE jobs ALTER COLUMN accounted_to SET NOT NULL;
CREATE INDEX jobs_by_calendar ON jobs USING gin (calendars) WHERE calendars <> '{}';

ALTER TABLE runs
    ADD COLUMN generation smallint NOT NULL DEFAULT 0,
    ADD COLUMN utc_offset integer NOT NULL DEFAULT 0,
    ADD COLUMN overlap varchar(32) NOT NULL DEFAULT 'allow_all',
    ADD COLUMN buffered boolean NOT NULL DEFAULT false,
    ADD COLUMN abort boolean NOT NULL DEFAULT false,
    ADD COLUMN failed boolean NOT NULL DEFAULT false,
    ADD COLUMN replayed boolean NOT NULL DEFAULT false,
    ADD COLUMN backfill_id uuid,
    ADD COLUMN reason text,
    DROP CONSTRAINT runs_pkey,
    ADD PRIMARY KEY (service_id, job_id, scheduled_for, generation);
CREATE INDEX runs_buffered ON runs (service_id, job_id) WHERE buffered;
CREATE INDEX runs_to_abort ON runs (held_by) WHERE abort;
CREATE INDEX runs_failed ON runs (service_id, id) WHERE failed;

CREATE TABLE turns (
    service_id uuid NOT NULL,
    job_id uuid NOT NULL,
    run_id uuid NOT NULL,
    scheduled_for timestamptz NOT NULL,
    contended boolean NOT NULL DEFAULT false,
    PRIMARY KEY (service_id, job_id)
) WITH (fillfactor = 60);
CREATE INDEX turns_contended ON turns (service_id, job_id) WHERE contended;

CREATE TABLE ledger (
    service_id uuid NOT NULL,
    job_id uuid NOT NULL,
    first timestamptz NOT NULL,
    last timestamptz NOT NULL,
    outcome varchar(32) NOT NULL,
    count integer,
    PRIMARY KEY (service_id, job_id, last, first)
) PARTITION BY RANGE (last);
CREATE TABLE ledger_default PARTITION OF ledger DEFAULT;

CREATE TABLE calendars (
    service_id uuid NOT NULL REFERENCES services (id),
    name text NOT NULL,
    description text NOT NULL,
    exclude json NOT NULL,
    version integer NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (service_id, name)
);

CREATE TABLE backfills (
    service_id uuid NOT NULL,
    id uuid NOT NULL,
    job_id uuid NOT NULL,
    start_at timestamptz NOT NULL,
    end_at timestamptz NOT NULL,
    overlap varchar(32) NOT NULL,
    only_missing boolean NOT NULL,
    runs_per_minute integer NOT NULL,
    state varchar(32) NOT NULL,
    total integer NOT NULL,
    done_count integer NOT NULL,
    run_count integer NOT NULL,
    position timestamptz NOT NULL,
    continue_at timestamptz,
    created_at timestamptz NOT NULL,
    finished_at timestamptz,
    PRIMARY KEY (service_id, id)
);
CREATE INDEX backfills_of_job ON backfills (service_id, job_id, id);
CREATE INDEX backfills_to_continue ON backfills (continue_at) WHERE continue_at IS NOT NULL
"""

_DOWN = """
DROP TABLE backfills, calendars, ledger, turns;
DELETE FROM runs WHERE generation > 0;
ALTER TABLE runs
    DROP CONSTRAINT runs_pkey,
    ADD PRIMARY KEY (service_id, job_id, scheduled_for),
    DROP COLUMN generation, DROP COLUMN utc_offset, DROP COLUMN overlap, DROP COLUMN buffered,
    DROP COLUMN abort,
    DROP COLUMN failed, DROP COLUMN replayed, DROP COLUMN backfill_id, DROP COLUMN reason;
ALTER TABLE jobs
    DROP COLUMN overlap, DROP COLUMN catchup, DROP COLUMN calendars, DROP COLUMN next_fire_for,
    DROP COLUMN accounted_to, DROP COLUMN run_count, DROP COLUMN pause_reason
"""


def upgrade() -> None:
    for statement in _UP.split(";\n"):
        op.execute(statement)


def downgrade() -> None:
    for statement in _DOWN.split(";\n"):
        op.execute(statement)
