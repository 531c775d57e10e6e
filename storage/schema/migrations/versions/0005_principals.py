"""Keys with scopes and an end; people as members of services; the installation as a service.

Older code knows of no bounded keys: on the way down they are revoked.
"""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"

_UP = """
ALTER TABLE services ADD COLUMN limits json NOT NULL DEFAULT '{}';
INSERT INTO services (id, name, signing_secrets, created_at)
    VALUES ('00000000-0000-0000-0000-000000000000', 'the installation', '{}', now());
ALTER TABLE api_keys
    ADD COLUMN name text NOT NULL DEFAULT 'unnamed',
    ADD COLUMN scopes text[] NOT NULL DEFAULT '{read,operate,write,admin}',
    ADD COLUMN subject text,
    ADD COLUMN expires_at timestamptz,
    ADD COLUMN last_used_at timestamptz;
ALTER TABLE api_keys
    ALTER COLUMN name DROP DEFAULT,
    ALTER COLUMN scopes DROP DEFAULT;
CREATE UNIQUE INDEX api_keys_by_id ON api_keys (service_id, id);
CREATE TABLE members (
    service_id uuid NOT NULL REFERENCES services,
    subject text NOT NULL,
    role varchar(32) NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (service_id, subject)
);
CREATE INDEX members_by_subject ON members (subject, service_id);
ALTER TABLE audit ADD COLUMN address text NOT NULL DEFAULT ''
"""

_DOWN = """
ALTER TABLE audit DROP COLUMN address;
DROP TABLE members;
DELETE FROM audit WHERE service_id = '00000000-0000-0000-0000-000000000000';
DELETE FROM api_keys WHERE service_id = '00000000-0000-0000-0000-000000000000';
UPDATE api_keys SET revoked_at = now() WHERE revoked_at IS NULL
    AND (subject IS NOT NULL OR expires_at IS NOT NULL
        OR NOT scopes @> '{read,operate,write,admin}');
DROP INDEX api_keys_by_id;
ALTER TABLE api_keys DROP COLUMN name, DROP COLUMN scopes, DROP COLUMN subject,
    DROP COLUMN expires_at, DROP COLUMN last_used_at;
DELETE FROM services WHERE id = '00000000-0000-0000-0000-000000000000';
ALTER TABLE services DROP COLUMN limits
"""


def upgrade() -> None:
    for statement in _UP.split(";\n"):
        op.execute(statement)


def downgrade() -> None:
    for statement in _DOWN.split(";\n"):
        op.execute(statement)
