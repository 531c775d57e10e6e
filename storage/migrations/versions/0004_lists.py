"""What lists look jobs and runs up by."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Connection, text

from domain.terms import terms_of
from storage.jobs import decode_target

revision = "0004"
down_revision = "0002"

_UP = """
CREATE TABLE listings (
    service_id uuid NOT NULL,
    id uuid NOT NULL,
    terms tsvector NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (service_id, id)
);
CREATE INDEX listings_by_term ON listings USING gin (terms) WITH (fastupdate = off);
CREATE INDEX listings_by_update ON listings (service_id, updated_at, id);

CREATE INDEX jobs_to_fire ON jobs (service_id, next_fire_for, id) WHERE next_fire_for IS NOT NULL;
CREATE INDEX jobs_idle ON jobs (service_id, id) WHERE next_fire_for IS NULL;
CREATE INDEX jobs_paused ON jobs (service_id, id) WHERE paused;

ALTER TABLE runs ADD COLUMN let_go boolean NOT NULL
    GENERATED ALWAYS AS (state IN ('cancelled', 'skipped_overlap')) STORED;
CREATE INDEX runs_open_of_service ON runs (service_id, id) WHERE open;
CREATE INDEX runs_let_go ON runs (service_id, id) WHERE let_go;
CREATE INDEX runs_by_hand ON runs (service_id, id) WHERE trigger <> 'schedule';
DROP INDEX runs_to_abort;
CREATE INDEX runs_to_abort ON runs (service_id, id) WHERE abort
"""

_DOWN = """
DROP INDEX runs_to_abort;
CREATE INDEX runs_to_abort ON runs (held_by) WHERE abort;
DROP INDEX runs_open_of_service, runs_by_hand, jobs_to_fire, jobs_idle, jobs_paused;
ALTER TABLE runs DROP COLUMN let_go;
DROP TABLE listings
"""

_BATCH = 1_000
_JOBS = text("""
SELECT service_id, id, name, description, tags, target::text, updated_at FROM jobs
WHERE (service_id, id) > (:service_id, :id) ORDER BY service_id, id LIMIT :batch
""")
_LIST = text("""
INSERT INTO listings (service_id, id, terms, updated_at)
VALUES (:service_id, :id, array_to_tsvector(:terms), :updated_at)
""")


def upgrade() -> None:
    for statement in _UP.split(";\n"):
        op.execute(statement)
    _list_jobs(op.get_bind())


def downgrade() -> None:
    for statement in _DOWN.split(";\n"):
        op.execute(statement)


def _list_jobs(connection: Connection) -> None:
    service_id = job_id = "00000000-0000-0000-0000-000000000000"
    while True:
        found = {"service_id": service_id, "id": job_id, "batch": _BATCH}
        rows = connection.execute(_JOBS, found).all()
        if not rows:
            return
        listed = [
            {
                "service_id": row.service_id,
                "id": row.id,
                "terms": terms_of(
                    row.service_id,
                    name=row.name,
                    description=row.description,
                    tags=row.tags,
                    target=decode_target(row.target),
                ),
                "updated_at": row.updated_at,
            }
            for row in rows
        ]
        connection.execute(_LIST, listed)
        service_id, job_id = rows[-1].service_id, rows[-1].id
