"""What a request's key is good for."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import asyncpg
from msgspec import Struct
from sqlalchemy import Text, and_, bindparam, cast, or_, select

from domain.access.keys import key_hash, service_of
from domain.access.scopes import SCOPES_OF, Role, Scope
from domain.quotas.limits import Limits
from storage.cache.authorization_cache import CachedAnswer
from storage.postgres.pools import Driver
from storage.postgres.statements import Statement
from storage.schema.service_tables import api_keys, members, services
from storage.services.services import decode_limits
from storage.shards import Shards

_KEY = api_keys.alias("key")
_NAMED = ("service_id", "id", "scopes", "subject", "expires_at")
FIND = Statement(
    select(*(_KEY.c[name] for name in _NAMED), members.c.role, cast(services.c.limits, Text))
    .select_from(
        _KEY.join(services, services.c.id == _KEY.c.service_id).outerjoin(
            members,
            and_(members.c.service_id == _KEY.c.service_id, members.c.subject == _KEY.c.subject),
        )
    )
    .where(
        _KEY.c.service_id == bindparam("service_id"),
        _KEY.c.hash == bindparam("hash"),
        _KEY.c.revoked_at.is_(None),
        or_(_KEY.c.expires_at.is_(None), _KEY.c.expires_at > bindparam("now")),
    )
)


class FoundKey(Struct, frozen=True):
    """Attributes:
    subject: The person whose key it is, if it is not the service's own.
    """

    service_id: UUID
    key_id: UUID
    scopes: frozenset[Scope]
    subject: str | None
    expires_at: datetime | None
    limits: Limits


async def find_key(text: str, now: datetime, shards: Shards) -> FoundKey | None:
    """The live key of that text, or None.

    The hash is looked up, never compared byte by byte in our code, so timing tells nothing of it.
    What was revoked before now is not found: what is kept of it is void by then, and a replica that
    does not know yet is not asked.
    """
    service_id = service_of(text)
    if service_id is None:
        return None
    hashed = key_hash(text)

    async def load(driver: Driver) -> CachedAnswer[FoundKey | None]:
        row = await FIND.fetchrow(driver, service_id=service_id, hash=hashed, now=now)
        # Whoever guesses keys is not to fill the memory with them.
        return (
            CachedAnswer(None, now) if row is None else CachedAnswer(_found(row), row["expires_at"])
        )

    return await shards.of(service_id).read_authorization(
        service_id, f"key:{hashed.hex()}", now, load
    )


def _found(row: asyncpg.Record) -> FoundKey:
    scopes = frozenset(Scope(scope) for scope in row["scopes"])
    if row["subject"] is not None:
        # A person's key never does more than the person may.
        scopes &= SCOPES_OF[Role(row["role"])] if row["role"] else frozenset()
    limits = decode_limits(row["limits"])
    return FoundKey(row["service_id"], row["id"], scopes, row["subject"], row["expires_at"], limits)
