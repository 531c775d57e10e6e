"""How far each process's clock is off, and from which day on runs are kept."""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.execute("ALTER TABLE workers ADD COLUMN clock_offset_ms bigint")
    op.execute("""
        CREATE TABLE retention (
            only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
            kept_from date NOT NULL
        )
    """)


def downgrade() -> None:
    op.execute("DROP TABLE retention")
    op.execute("ALTER TABLE workers DROP COLUMN clock_offset_ms")
