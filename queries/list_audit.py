"""What was done in a service, newest first."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec
from msgspec import Struct

from domain.access.caller import Caller
from domain.ids import LAST_ID
from storage.page_bytes import Cut, as_far_as_it_fits, bytes_of, cut
from storage.postgres import Driver
from storage.shards import Shards

_ORDER = "at DESC, id DESC"
_REST_BYTES = 1_024
"""Of all that an entry has beside its details."""
_LIST = as_far_as_it_fits(
    f"""
SELECT at, id, principal, action, object_id, request_id, address, details,
    {bytes_of("details")} + {_REST_BYTES} AS bytes
FROM audit
WHERE service_id = $1 AND at >= $2 AND at < $3 AND (at, id) < ($4, $5)
    AND ($6::text IS NULL OR action = $6)
    AND ($7::text IS NULL OR principal = $7)
    AND ($8::uuid IS NULL OR object_id = $8)
ORDER BY {_ORDER} LIMIT $9
""",
    order=_ORDER,
)


class AuditEntry(Struct, frozen=True, kw_only=True):
    """One command: who did what to which object, from where.

    Attributes:
        details: What changed, as JSON.
    """

    at: datetime
    id: UUID
    principal: str
    action: str
    object_id: UUID
    request_id: str
    address: str
    details: msgspec.Raw


class ListAudit(Struct, frozen=True, kw_only=True):
    """Attributes:
    since: From here on.
    before: Up to here, and not at it.
    behind: Instant and id of the last entry of the page before.
    """

    caller: Caller
    since: datetime
    before: datetime
    behind: tuple[datetime, UUID] | None
    action: str | None
    principal: str | None
    object_id: UUID | None
    limit: int


async def list_audit(query: ListAudit, shards: Shards) -> Cut[AuditEntry]:
    """At most `limit` entries that fit."""
    service_id = query.caller.service_id
    at, entry_id = query.behind or (query.before, LAST_ID)

    async def ask(driver: Driver) -> Cut[AuditEntry]:
        rows = await driver.fetch(
            _LIST,
            service_id,
            query.since,
            query.before,
            at,
            entry_id,
            query.action,
            query.principal,
            query.object_id,
            query.limit + 1,
        )
        found = cut(rows, query.limit, lambda row: row["bytes"])
        return Cut([_entry(row) for row in found.items], found.more)

    # By what an index does not tell, entries are looked through.
    chosen = query.action or query.principal or query.object_id
    return await shards.of(service_id).read(service_id, ask, costly=chosen is not None)


def _entry(row: asyncpg.Record) -> AuditEntry:
    fields = {name: row[name] for name in AuditEntry.__struct_fields__}
    return AuditEntry(**{**fields, "details": msgspec.Raw(row["details"].encode())})
