"""Services and their members as rows."""

from __future__ import annotations

from uuid import UUID

import asyncpg
import msgspec

from domain.access.scopes import Role
from domain.access.service import Member, Service
from domain.quotas.limits import Limits
from storage.postgres.pools import Driver

# Whoever has the lock sees all that was stored by those who had it before; what refers to the
# service is not held up.
_LOCK = """
SELECT id, name, signing_secrets, limits, created_at FROM services WHERE id = $1
FOR NO KEY UPDATE
"""

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


async def lock_service(driver: Driver, service_id: UUID) -> asyncpg.Record | None:
    """Let one transaction at a time change what is counted, or refers to each other, in a service.

    It is the one lock of a service: its limits, its signing secrets, its keys, its quotas and its
    last jobs are changed under it.

    Returns:
        The service's row; None without such a service.
    """
    return await driver.fetchrow(_LOCK, service_id)
