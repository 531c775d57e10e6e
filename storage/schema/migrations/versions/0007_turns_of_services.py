"""What lets services take turns where one of them has a flood."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"

_UP = """
CREATE INDEX jobs_to_claim_of_service ON jobs (service_id, next_claim_at)
    WHERE next_claim_at IS NOT NULL;
CREATE INDEX runs_to_retry_of_service ON runs (service_id, retry_at) WHERE retry_at IS NOT NULL
"""


def upgrade() -> None:
    for statement in _UP.split(";\n"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP INDEX jobs_to_claim_of_service, runs_to_retry_of_service")
