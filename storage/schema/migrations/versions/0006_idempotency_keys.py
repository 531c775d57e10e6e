"""Answers that are kept under idempotency keys."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"

# Rows come and go by the day: vacuum is not to wait until a fifth of them is dead.
_UP = """
CREATE TABLE idempotency_keys (
    service_id uuid NOT NULL,
    route text NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    claimed_at timestamptz NOT NULL,
    status smallint,
    headers json,
    body bytea,
    PRIMARY KEY (service_id, route, key)
) WITH (autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (claimed_at)
"""


def upgrade() -> None:
    for statement in _UP.split(";\n"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE idempotency_keys")
