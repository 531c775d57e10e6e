"""How many things of a kind a service may have that no limit of its own counts."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from uuid import UUID

from sqlalchemy import Table, func, select

from domain.errors import Conflict, QuotaExceeded
from storage.postgres.pools import Driver
from storage.postgres.statements import Statement, given
from storage.schema.service_tables import members, secrets
from storage.schema.tables import calendars
from storage.services.services import lock_service

MOST_KEYS = 1_000
"""Live keys."""
MOST_DEAD_KEYS = 1_000
"""Of those that were revoked or ended, so many are remembered."""
MOST = {calendars.name: 1_000, members.name: 10_000, secrets.name: 1_000}

_LIVE_KEYS = """
SELECT count(*) FROM api_keys
WHERE service_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)
"""

_FORGET_DEAD_KEYS = """
DELETE FROM api_keys WHERE service_id = $1 AND hash IN (
    SELECT hash FROM api_keys
    WHERE service_id = $1 AND least(revoked_at, expires_at) <= $2
    ORDER BY least(revoked_at, expires_at) DESC OFFSET $3
)
"""


@cache
def _count_of(table: Table) -> Statement:
    mine = given(table.c.service_id)
    return Statement(select(func.count()).select_from(table).where(*mine))


async def refuse_one_too_many(driver: Driver, table: Table, service_id: UUID) -> None:
    """Undo what was just added when the service had as many as it may.

    Raises:
        QuotaExceeded: When it had.
    """
    await lock_service(driver, service_id)
    most = MOST[table.name]
    if await _count_of(table).fetchval(driver, service_id=service_id) > most:
        raise QuotaExceeded(
            f"A service may have {most:,} {table.name} and this one has them; delete some first."
        )


async def make_room_for_key(driver: Driver, service_id: UUID, now: datetime) -> None:
    """Refuse a further live key when the service has as many as it may; forget old dead ones.

    Raises:
        Conflict: When it has.
    """
    await lock_service(driver, service_id)
    if (await driver.fetchval(_LIVE_KEYS, service_id, now) or 0) >= MOST_KEYS:
        raise Conflict(
            f"A service has {MOST_KEYS:,} live keys at most; revoke some first, or rotate with an "
            "overlap of 0."
        )
    await driver.execute(_FORGET_DEAD_KEYS, service_id, now, MOST_DEAD_KEYS)
