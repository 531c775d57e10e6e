"""What all tables are made with."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import Enum, MetaData
from sqlalchemy.dialects.postgresql import TIMESTAMP

metadata = MetaData()
INSTANT = TIMESTAMP(timezone=True)


def stored_enum(kind: type[StrEnum]) -> Enum:
    """Stored as text with room to grow: a new member needs no migration."""
    return Enum(
        kind,
        native_enum=False,
        length=32,
        create_constraint=False,
        values_callable=lambda members: [member.value for member in members],
    )
