"""API keys as rows."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import asyncpg
from sqlalchemy import insert

from domain.access import Scope
from domain.ids import new_id
from domain.keys import Key, key_hash, key_text, new_secret
from storage.service_tables import api_keys
from storage.transactions import WriteConnection

KEY_COLUMNS = """
    id, service_id, name, scopes, subject, created_at, expires_at, revoked_at, last_used_at
"""


def key_of(row: asyncpg.Record) -> Key:
    """The key that a row holds."""
    return Key(
        id=row["id"],
        service_id=row["service_id"],
        name=row["name"],
        scopes=frozenset(Scope(scope) for scope in row["scopes"]),
        subject=row["subject"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
        last_used_at=row["last_used_at"],
    )


async def store_key(
    connection: WriteConnection,
    service_id: UUID,
    now: datetime,
    *,
    name: str,
    scopes: frozenset[Scope],
    subject: str | None = None,
    expires_at: datetime | None = None,
) -> tuple[Key, str]:
    """Store a new key.

    Returns:
        The key and its text, which cannot be shown again.
    """
    key = Key(
        id=new_id(),
        service_id=service_id,
        name=name,
        scopes=scopes,
        subject=subject,
        created_at=now,
        expires_at=expires_at,
        revoked_at=None,
        last_used_at=None,
    )
    text = key_text(service_id, new_secret())
    await connection.execute(
        insert(api_keys).values(
            service_id=service_id,
            hash=key_hash(text),
            id=key.id,
            name=name,
            scopes=sorted(scopes),
            subject=subject,
            created_at=now,
            expires_at=expires_at,
        )
    )
    return key, text
