"""Which open runs of a job come before which, where they begin in order."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Connection, text

revision = "0011"
down_revision = "0010"

_COLUMNS = "(service_id, job_id, due_at, id) WHERE open AND overlap = 'buffer_all'"

# Those that are made meanwhile have theirs from the parent.
_WITHOUT = text("""
SELECT relid::regclass::text FROM pg_partition_tree('runs')
WHERE isleaf AND NOT EXISTS (
    SELECT FROM pg_inherits JOIN pg_index ON indexrelid = inhrelid
    WHERE inhparent = 'runs_in_order'::regclass AND indrelid = relid
)
""")
_INVALID = text("""
SELECT indexrelid::regclass::text FROM pg_index
WHERE indexrelid = to_regclass(:name) AND NOT indisvalid
""")


def upgrade() -> None:
    """It may be begun again wherever it was broken off."""
    with op.get_context().autocommit_block():
        op.execute(f"CREATE INDEX IF NOT EXISTS runs_in_order ON ONLY runs {_COLUMNS}")
        connection = op.get_bind()
        for partition in connection.execute(_WITHOUT).scalars().all():
            _index(connection, partition)


def downgrade() -> None:
    op.execute("DROP INDEX runs_in_order")


def _index(connection: Connection, partition: str) -> None:
    name = f"{partition}_in_order"
    if connection.execute(_INVALID, {"name": name}).scalar():
        op.execute(f"DROP INDEX CONCURRENTLY {name}")
    # Nobody who reads or writes waits for it, however long it takes.
    op.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {partition} {_COLUMNS}")
    op.execute(f"ALTER INDEX runs_in_order ATTACH PARTITION {name}")
