"""Which key made a key."""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.execute("ALTER TABLE api_keys ADD COLUMN made_by uuid")


def downgrade() -> None:
    op.execute("ALTER TABLE api_keys DROP COLUMN made_by")
