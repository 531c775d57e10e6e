"""Services and their members as rows."""

from __future__ import annotations

import asyncpg

from domain.access import Role
from domain.service import Member, Service

SERVICE_COLUMNS = "id, name, created_at"
MEMBER_COLUMNS = "service_id, subject, role, created_at"


def service_of_row(row: asyncpg.Record) -> Service:
    """The service that a row holds."""
    return Service(id=row["id"], name=row["name"], created_at=row["created_at"])


def member_of(row: asyncpg.Record) -> Member:
    """The member that a row holds."""
    return Member(
        service_id=row["service_id"],
        subject=row["subject"],
        role=Role(row["role"]),
        created_at=row["created_at"],
    )
