"""Services and their members as rows."""

from __future__ import annotations

import asyncpg
import msgspec

from domain.access import Role
from domain.limits import Limits
from domain.service import Member, Service

SERVICE_COLUMNS = "id, name, limits, created_at"
MEMBER_COLUMNS = "service_id, subject, role, created_at"

decode_limits = msgspec.json.Decoder(Limits).decode


def service_of_row(row: asyncpg.Record) -> Service:
    """The service that a row holds."""
    return Service(
        id=row["id"],
        name=row["name"],
        limits=decode_limits(row["limits"]),
        created_at=row["created_at"],
    )


def member_of(row: asyncpg.Record) -> Member:
    """The member that a row holds."""
    return Member(
        service_id=row["service_id"],
        subject=row["subject"],
        role=Role(row["role"]),
        created_at=row["created_at"],
    )
