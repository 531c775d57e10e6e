"""What was done in a service, newest first."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Text, Uuid, bindparam, literal_column, select, tuple_

from domain.access.caller import Caller
from domain.ids import LAST_ID
from queries.sql_parts import (
    LIMIT,
    Clause,
    as_far_as_it_fits,
    if_given,
    number,
)
from storage.cache.page_bytes import Cut, bytes_of, cut
from storage.postgres.pools import Driver
from storage.postgres.statements import Statement
from storage.schema.columns import INSTANT
from storage.schema.service_tables import audit
from storage.shards import Shards

_REST_BYTES = 1_024
"""Of all that an entry has beside its details."""


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


_COLUMNS = [audit.c[name] for name in AuditEntry.__struct_fields__]
_BYTES: ColumnElement[int] = literal_column(bytes_of("details")) + number(_REST_BYTES)
_FILTERS: dict[str, Clause] = {
    "action": if_given("action", Text, lambda action: audit.c.action == action),
    "principal": if_given("principal", Text, lambda principal: audit.c.principal == principal),
    "object_id": if_given("object_id", Uuid, lambda object_id: audit.c.object_id == object_id),
}
_LIST = Statement(
    as_far_as_it_fits(
        select(*_COLUMNS, _BYTES.label("bytes"))
        .select_from(audit)
        .where(
            audit.c.service_id == bindparam("service_id"),
            audit.c.at >= bindparam("since"),
            audit.c.at < bindparam("before"),
            tuple_(audit.c.at, audit.c.id)
            < tuple_(bindparam("after_at", type_=INSTANT), bindparam("after_id", type_=Uuid)),
            *_FILTERS.values(),
        )
        .order_by(audit.c.at.desc(), audit.c.id.desc())
        .limit(LIMIT),
        "at",
        "id",
        descending=True,
    )
)


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
    filters = {name: getattr(query, name) for name in _FILTERS}

    async def ask(driver: Driver) -> Cut[AuditEntry]:
        rows = await _LIST.fetch(
            driver,
            service_id=service_id,
            since=query.since,
            before=query.before,
            after_at=at,
            after_id=entry_id,
            limit=query.limit + 1,
            **filters,
        )
        found = cut(rows, query.limit, lambda row: row["bytes"])
        return Cut([_entry(row) for row in found.items], found.more)

    # These filters have no index: entries are read until enough fit.
    costly = any(value is not None for value in filters.values())
    return await shards.of(service_id).read(service_id, ask, costly=costly)


def _entry(row: asyncpg.Record) -> AuditEntry:
    fields = {name: row[name] for name in AuditEntry.__struct_fields__}
    return AuditEntry(**{**fields, "details": msgspec.Raw(row["details"].encode())})
