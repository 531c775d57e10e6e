"""What a person is in a service."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, select

from domain.access.scopes import Role
from storage.cache.authorization_cache import CachedAnswer
from storage.postgres.pools import Driver
from storage.postgres.statements import Statement
from storage.schema.service_tables import members
from storage.shards import Shards

_FIND = Statement(
    select(members.c.role).where(
        members.c.service_id == bindparam("service_id"), members.c.subject == bindparam("subject")
    )
)


async def find_role(service_id: UUID, subject: str, now: datetime, shards: Shards) -> Role | None:
    """The person's role as of now, or None."""

    async def load(driver: Driver) -> CachedAnswer[Role | None]:
        role = await _FIND.fetchval(driver, service_id=service_id, subject=subject)
        return CachedAnswer(Role(role) if role else None)

    return await shards.of(service_id).read_authorization(service_id, f"role:{subject}", now, load)
