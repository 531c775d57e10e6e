"""Named secrets. Signing secrets stay where they are, and in clear until they are encrypted.

On the way down those that are encrypted are left out: older code could not sign with them. Such a
service needs a new one.
"""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"

_UP = """
CREATE TABLE secrets (
    service_id uuid NOT NULL REFERENCES services,
    name text NOT NULL,
    key_id text NOT NULL,
    content bytea NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (service_id, name)
)
"""

_DOWN = """
DROP TABLE secrets;
UPDATE services SET signing_secrets = ARRAY(
    SELECT stored FROM unnest(signing_secrets) AS stored WHERE stored LIKE 'whsec\\_%'
)
"""


def upgrade() -> None:
    op.execute(_UP)


def downgrade() -> None:
    for statement in _DOWN.split(";\n"):
        op.execute(statement)
